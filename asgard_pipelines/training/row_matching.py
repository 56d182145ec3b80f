"""Which rows of two training sets are the same row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from asgard_pipelines.declarations import Record
from asgard_pipelines.training.content import Digests, digests, encoded

Ints = NDArray[np.int64]


class RowChanges(Record):
    """Rows of two sides A and B by identity: time and entity. Of those in both, `changed` have another
    value somewhere; an identity that several rows have pairs its equal rows first."""

    identity: list[str]
    only_a: int
    only_b: int
    equal: int
    changed: int
    changed_columns: dict[str, int]
    """Column -> in how many of the changed rows its value is another one, the most first."""


def row_changes(a: pa.Table, b: pa.Table, identity: Sequence[str], values: Sequence[str]) -> RowChanges:
    """Compare rows.

    Args:
        values: what both sides have, in the same kind, beside the identity.
    """
    equal_a, equal_b = _pairs(*(digests(side.select([*identity, *values])) for side in (a, b)))
    rest_a = a.take(pa.array(_others(len(a), equal_a)))
    rest_b = b.take(pa.array(_others(len(b), equal_b)))
    left, right = _pairs(*(digests(rest.select(list(identity))) for rest in (rest_a, rest_b)))
    return RowChanges(
        identity=list(identity),
        only_a=len(rest_a) - len(left),
        only_b=len(rest_b) - len(right),
        equal=len(equal_a),
        changed=len(left),
        changed_columns=_differing(rest_a.take(pa.array(left)), rest_b.take(pa.array(right)), values),
    )


def _differing(a: pa.Table, b: pa.Table, columns: Sequence[str]) -> dict[str, int]:
    """Column -> in how many places its values differ, the most first."""
    counts = {}
    for column in columns:
        pairs = zip(encoded(a.select([column])), encoded(b.select([column])), strict=True)
        counts[column] = sum(int(np.any(one != other, axis=1).sum()) for one, other in pairs)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {column: count for column, count in ranked if count}


def _others(rows: int, positions: Ints) -> Ints:
    return np.setdiff1d(np.arange(rows), positions, assume_unique=True)


def _pairs(a: Digests, b: Digests) -> tuple[Ints, Ints]:
    """Positions of equal digests, each position once."""
    _, codes = np.unique(np.concatenate([a, b]), return_inverse=True)
    # Made unique, so that each of several equal ones meets one of the other side.
    left, right = (side * len(codes) + _before(side) for side in (codes[: len(a)], codes[len(a) :]))
    _, places, others = np.intersect1d(left, right, assume_unique=True, return_indices=True)
    return places, others


def _before(codes: Ints) -> Ints:
    """How often each code stands before its place."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    lengths = np.diff(starts, append=len(codes))
    result = np.empty(len(codes), dtype=np.int64)
    result[order] = np.arange(len(codes)) - np.repeat(starts, lengths)
    return result
