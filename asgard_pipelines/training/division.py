"""Dividing a model's rows as its declaration says, and refusing too few of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from asgard_pipelines.declarations import ResolvedModel
from asgard_pipelines.errors import NotEnoughSamples
from asgard_pipelines.training.labels import classes_of, codes_of, normalised
from asgard_pipelines.training.split import NAMES, TEST, TRAIN, Parts, split_at_random, split_by_time
from asgard_pipelines.training.training_rows import identity_columns

_REMEDIES = (
    "Extend date range in training request",
    "Collect more historical data",
    "Reduce test_size (e.g., 0.2 → 0.1)",
)


def divide(resolved: ResolvedModel, rows: pa.Table) -> Parts:
    """The part of each of the source's rows.

    Raises:
        NotEnoughSamples: no rows, or nothing left to train on or to test on, or one class to train on.
        Invalid: all rows have one time, and the split is by time.
    """
    model = resolved.model
    label_column = model.training_data.label_column
    if rows.num_rows == 0:
        why = f"'{resolved.source}' has no row with a '{label_column}' in the window."
        raise _not_enough(resolved, why, {"rows": 0})
    strata = np.zeros(rows.num_rows, dtype=np.int64)
    if model.model_type == "classification":
        label = normalised(rows.column(label_column), label_column, model.model_type)
        strata = codes_of(label, classes_of(label, label_column))
    parts = _split(resolved, rows, strata)
    counts = {"rows": len(parts)} | {
        f"{name}_rows": int(np.sum(parts == part)) for part, name in enumerate(NAMES)
    }
    if counts["train_rows"] < 2 or counts["test_rows"] < 1:
        raise _not_enough(resolved, "too few are left to train on and to test on.", counts)
    if model.model_type == "classification" and len(np.unique(strata[parts == TRAIN])) < 2:
        raise _not_enough(resolved, f"all training rows have one '{label_column}'.", counts)
    return parts


def boundary(
    resolved: ResolvedModel, rows: pa.Table, parts: Parts
) -> tuple[datetime, datetime] | tuple[None, None]:
    """The newest training row's time and the oldest test row's; none for a random split."""
    if resolved.model.split == "random":
        return None, None
    micros = _micros(resolved, rows)
    return _instant(int(micros[parts == TRAIN].max())), _instant(int(micros[parts == TEST].min()))


def _split(resolved: ResolvedModel, rows: pa.Table, strata: NDArray[np.int64]) -> Parts:
    model = resolved.model
    if model.split == "random":
        identities = rows.select(identity_columns(resolved))
        return split_at_random(identities, strata, test_size=model.test_size, seed=model.seed)
    horizon = model.label_horizon // timedelta(microseconds=1)
    return split_by_time(_micros(resolved, rows), test_size=model.test_size, horizon=horizon)


def _micros(resolved: ResolvedModel, rows: pa.Table) -> NDArray[np.int64]:
    times = rows.column(resolved.model.training_data.event_timestamp_column)
    return np.asarray(times.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy())


def _instant(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def _not_enough(resolved: ResolvedModel, why: str, counts: Mapping[str, int]) -> NotEnoughSamples:
    model = resolved.model
    had = ", ".join(f"{count} {name.removesuffix('_rows')}" for name, count in counts.items())
    horizon = f" (of which label_horizon {model.label_horizon} keeps a gap)" if model.label_horizon else ""
    return NotEnoughSamples(
        f"Not enough samples for '{model.name}': {why} Rows: {had}{horizon}. {'; '.join(_REMEDIES)}.",
        model=model.name,
        test_size=model.test_size,
        remedies=list(_REMEDIES),
        **counts,
    )
