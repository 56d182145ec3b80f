"""Trees whose nodes point where they should: scikit-learn follows them without looking.

A file can name a node or a column that is not there, and predicting would then read whatever memory is in
its place. For our own models the registry's checksum answers for that; for others' this does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgard_pipelines.errors import Untrusted

Numbers = NDArray[np.int64]


def require_sound_trees(estimator: Any, columns: int) -> None:
    """
    Args:
        columns: how many an estimator's matrix has.

    Raises:
        Untrusted: a node's child comes before it or is not there, or it asks for a column that is not there.
    """
    for left, right, feature, leaf, values in _trees(estimator):
        inner = ~leaf
        own = np.arange(len(left))
        sound = (
            len(left) == values
            and len(left) > 0
            and _within(left[inner], own[inner] + 1, len(left))
            and _within(right[inner], own[inner] + 1, len(left))
            and _within(feature[inner], np.zeros(int(inner.sum()), dtype=np.int64), columns)
        )
        if not sound:
            raise Untrusted("Its trees have nodes that point to what is not there.")


def _within(found: Numbers, low: Numbers, high: int) -> bool:
    return bool(((found >= low) & (found < high)).all())


def _trees(estimator: Any) -> Iterator[tuple[Numbers, Numbers, Numbers, NDArray[np.bool_], int]]:
    """Of each tree its nodes' left and right children, columns and whether they are leaves; its values."""
    for one in np.ravel(np.asarray(getattr(estimator, "estimators_", ()), dtype=object)):
        tree = one.tree_
        sides = (tree.children_left, tree.children_right)
        left, right = (np.asarray(side, dtype=np.int64) for side in sides)
        if ((left == -1) != (right == -1)).any():
            raise Untrusted("Its trees have nodes with one child.")
        yield left, right, np.asarray(tree.feature, dtype=np.int64), left == -1, len(tree.value)
    for rounds in getattr(estimator, "_predictors", ()):
        for predictor in rounds:
            nodes = predictor.nodes
            if nodes["is_categorical"].any():
                raise Untrusted("Its trees ask for categories, and a script's model has numbers only.")
            left, right, feature = (nodes[name].astype(np.int64) for name in ("left", "right", "feature_idx"))
            yield left, right, feature, nodes["is_leaf"] != 0, len(nodes)
