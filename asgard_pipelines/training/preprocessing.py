"""From inputs as people have them to the matrix an estimator takes: fitted once, kept with the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from asgard_pipelines.training.frameworks import Needs
from asgard_pipelines.training.signature import Input

MOST_CATEGORIES = 50
"""Columns that one string input becomes at most; rarer categories share one."""

Matrix = NDArray[np.floating]


def preprocessing_for(inputs: Sequence[Input], needs: Needs) -> ColumnTransformer:
    """An unfitted transformer of `frame_of`'s frames. One block of columns per kind, and one per string.

    A category that was not there at fitting counts as rare, or as none. Times are centred and
    scaled for every estimator: as seconds since 1970 they would not survive float32.
    """
    of_kind = {kind: [one.name for one in inputs if one.kind == kind] for kind in ("timestamp", "string")}
    numbers = [one.name for one in inputs if one.kind in ("numeric", "bool")]
    blocks: list[tuple[str, object, list[str]]] = []
    if numbers:
        blocks.append(("numbers", _numbers(needs.complete, needs.scaled), numbers))
    if of_kind["timestamp"]:
        blocks.append(("times", _numbers(needs.complete, scaled=True), of_kind["timestamp"]))
    for place, name in enumerate(of_kind["string"]):
        blocks.append((f"string_{place}", _one_hot(), [name]))
    return ColumnTransformer(blocks, verbose_feature_names_out=False)


def _numbers(complete: bool, scaled: bool) -> object:
    steps: list[tuple[str, object]] = []
    if complete:
        steps.append(("impute", SimpleImputer(strategy="median")))
    if scaled:
        steps.append(("scale", StandardScaler()))
    return Pipeline(steps) if steps else "passthrough"


def _one_hot() -> OneHotEncoder:
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=MOST_CATEGORIES,
        sparse_output=False,
        dtype=np.float32,
    )


def matrix_of(fitted: ColumnTransformer, frame: pd.DataFrame, needs: Needs) -> Matrix:
    """The frame as a contiguous matrix of the estimator's dtype; what would overflow it is clipped."""
    return as_matrix(fitted.transform(frame), needs)


def as_matrix(transformed: np.ndarray, needs: Needs) -> Matrix:
    limit = np.finfo(needs.dtype).max
    return np.ascontiguousarray(np.clip(transformed, -limit, limit), dtype=needs.dtype)


def by_input(
    fitted: ColumnTransformer, inputs: Sequence[Input], importances: NDArray[np.float64]
) -> dict[str, float]:
    """Importances of the matrix's columns, summed per input and normalised to sum 1; largest first."""
    totals = {one.name: 0.0 for one in inputs}
    for name, _, columns in fitted.transformers_:
        part = importances[fitted.output_indices_[name]]
        shares = [part.sum()] if name.startswith("string_") else part
        for column, share in zip(columns, shares, strict=False):
            totals[column] += float(share)
    whole = sum(totals.values()) or 1.0
    ranked = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    return {name: total / whole for name, total in ranked}
