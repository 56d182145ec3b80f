"""What columns are like: exactly, or of a big table from metadata and a sample, which the answer says."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from asgard_pipelines.errors import ColumnNotFound
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.lakehouse.statistics import statistics
from asgard_pipelines.settings import Settings

NOON = datetime(2025, 1, 1, 12)


def test_a_table_is_told_exactly(settings: Settings) -> None:
    lakehouse = Lakehouse(settings)
    rows = {
        "id": [1, 1, 2, 3],
        "age": pa.array([20, None, 30, 40], pa.int32()),
        "spent": [1.0, math.nan, math.inf, 3.0],
        "vast": [1e300, -1e300, 1.0, 3.0],
        "name": ["b", "a", None, None],
        "came": [True, False, True, True],
        "at": pa.array([NOON] * 4, pa.timestamp("us")),
        "list": [[1], None, [2], []],
        "none": pa.nulls(4, pa.float64()),
    }
    lakehouse.append("gold.t", pa.table(rows), key="first")
    found = lakehouse.statistics(lakehouse.pin("gold.t"), [*rows][1:], ["id"])
    assert (found.rows, found.keys, found.exact, found.sampled_rows) == (4, 3, True, 4)
    told = found.columns
    assert (told["age"].mean, told["age"].std, told["age"].least, told["age"].greatest) == (
        30.0,
        10.0,
        20,
        40,
    )
    assert told["age"].nulls == 0.25
    assert (told["spent"].mean, told["spent"].least, told["spent"].greatest) == (2.0, 1.0, 3.0)
    assert (told["vast"].mean, told["vast"].greatest) == (2.0, 1e300)
    assert (told["name"].mean, told["name"].least, told["name"].greatest, told["name"].nulls) == (
        None,
        "a",
        "b",
        0.5,
    )
    assert told["came"].mean == 0.75
    assert told["at"].least == NOON
    assert (told["list"].least, told["list"].nulls) == (None, 0.25)
    assert (told["none"].mean, told["none"].nulls) == (None, 1.0)
    with pytest.raises(ColumnNotFound, match="agee"):
        lakehouse.statistics(lakehouse.pin("gold.t"), ["agee"], ["id"])


def test_a_table_without_rows_and_a_view_without_keys(settings: Settings) -> None:
    lakehouse = Lakehouse(settings)
    lakehouse.append("gold.t", pa.table({"x": pa.array([], pa.int64())}), key="first")
    assert lakehouse.statistics(lakehouse.pin("gold.t"), ["x"], []).keys == 0
    lakehouse.append("gold.t", pa.table({"x": [5, 6]}), key="second")
    assert lakehouse.statistics(lakehouse.pin("gold.t"), ["x"], []).keys == 1


def test_a_big_table_is_told_from_metadata_and_a_sample(settings: Settings) -> None:
    """200,000 rows count as big here; a tenth of them is null, and 20,000 keys come ten times each."""
    lakehouse = Lakehouse(settings)
    random = np.random.default_rng(1)
    keys = np.repeat(np.arange(20_000), 10)
    values = random.normal(50, 10, len(keys))
    values[12345] = 1000.0
    for part in range(4):
        chosen = slice(part * 50_000, (part + 1) * 50_000)
        mask = np.arange(50_000) % 10 == 0
        mask[12345 - 10 : 12345 + 10] &= part != 0
        rows = {"id": keys[chosen], "v": pa.array(values[chosen], mask=mask)}
        lakehouse.append("gold.t", pa.table(rows), key=f"part {part}")
    pinned = lakehouse.catalog.pinned(lakehouse.pin("gold.t"))
    exact = statistics(pinned, ["v"], ["id"], 2)
    found = statistics(pinned, ["v"], ["id"], 2, exact_rows=1_000)
    assert (exact.exact, found.exact) == (True, False)
    assert found.rows == exact.rows == 200_000
    assert found.sampled_rows <= found.rows
    assert found.columns["v"].nulls == exact.columns["v"].nulls
    assert found.columns["v"].greatest == 1000.0
    assert found.columns["v"].mean == pytest.approx(exact.columns["v"].mean, rel=0.02)
    assert found.keys == pytest.approx(exact.keys, rel=0.2)
