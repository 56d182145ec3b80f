"""Many rows with many ties and one key that has a third of them, against a search in sorted lists."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asgard_pipelines.features.point_in_time.engine import Engine, Lookup
from asgard_pipelines.lakehouse import Source, parquet_source

ROWS, ASKED, KEYS = 100_000, 70_000, 3_000
DAYS = 90
START = np.datetime64(datetime(2023, 12, 1), "us").astype(np.int64)
MINUTE = 60_000_000
NONE = -1
VIEWS: Mapping[str, tuple[list[str], timedelta | None]] = {
    "by_shop": (["shop"], timedelta(days=3)),
    "by_both": (["shop", "area"], None),
    "by_none": ([], None),
}

Column = npt.NDArray[Any]


@pytest.fixture(scope="module")
def features() -> pa.Table:
    rng = np.random.default_rng(4)
    at = START + rng.integers(0, DAYS * 24 * 2, ROWS) * 30 * MINUTE  # half hours: ties abound
    made = at + rng.integers(0, 4, ROWS) * 30 * MINUTE
    score = rng.integers(0, 3, ROWS).astype(float)
    return pa.table(
        {
            "id": np.arange(ROWS),
            "shop": pa.array(_keys(rng, ROWS), mask=rng.random(ROWS) < 0.01),
            "area": _areas(rng, ROWS),
            "at": _instants(at, rng.random(ROWS) < 0.01),
            "made": _instants(made, rng.random(ROWS) < 0.1),
            "score": pa.array(score, mask=rng.random(ROWS) < 0.2),
            "name": [f"name {number % 1000}" for number in range(ROWS)],
        }
    )


@pytest.fixture(scope="module")
def source(features: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A row group that is longer than any batch, then many short ones."""
    folder = tmp_path_factory.mktemp("features")
    pq.write_table(features.slice(0, 80_000), folder / "0.parquet")
    pq.write_table(features.slice(80_000), folder / "1.parquet", row_group_size=900)
    return parquet_source(str(folder))


@pytest.fixture(scope="module")
def asked() -> pa.Table:
    rng = np.random.default_rng(5)
    at = START + rng.integers(0, DAYS * 24 * 4, ASKED) * 15 * MINUTE
    return pa.table(
        {
            "row": np.arange(ASKED),
            "shop": pa.array(_keys(rng, ASKED), mask=rng.random(ASKED) < 0.01),
            "area": _areas(rng, ASKED),
            "when": _instants(at, rng.random(ASKED) < 0.01),
        }
    )


def _keys(rng: np.random.Generator, size: int) -> Column:
    return np.where(rng.random(size) < 0.3, 7, rng.integers(0, KEYS, size) * 1_000_003)


def _areas(rng: np.random.Generator, size: int) -> pa.Array:
    names = pa.array(["north", "", "the very far south-west", None])
    return names.take(pa.array(rng.choice(4, size, p=[0.5, 0.3, 0.19, 0.01])))


def _instants(values: Column, missing: Column) -> pa.Array:
    return pa.array(values, mask=missing).cast(pa.timestamp("us"))


@pytest.fixture(scope="module", params=[True, False], ids=["known-then", "known-now"])
def filter_by_created(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def expected(asked: pa.Table, features: pa.Table, filter_by_created: bool) -> dict[str, Column]:
    """The id of the row that each asked row gets, by view."""
    return {
        view: _sought(asked, features, keys, ttl, filter_by_created) for view, (keys, ttl) in VIEWS.items()
    }


def test_no_row_is_wrong_where_rows_are_many(
    engine_at_size: Engine,
    asked: pa.Table,
    features: pa.Table,
    source: Source,
    filter_by_created: bool,
    expected: dict[str, Column],
) -> None:
    columns = ["id", "score", "name"]
    lookups = [
        Lookup(
            view,
            source,
            keys={key: key for key in keys},
            timestamp="at",
            columns={f"{view}__{column}": column for column in columns},
            created_timestamp="made",
            ttl=ttl,
            ties=["score", "id"],
        )
        for view, (keys, ttl) in VIEWS.items()
    ]
    joined = engine_at_size.join(asked, "when", lookups, filter_by_created=filter_by_created)
    table = joined.table()
    batches = list(joined.batches())
    assert max(batch.num_rows for batch in batches) < ASKED
    assert pa.Table.from_batches(batches).equals(table)
    assert table.select(asked.column_names).equals(asked)
    for view, numbers in expected.items():
        rows = pa.array(numbers, mask=numbers == NONE)
        for column in columns:
            assert table[f"{view}__{column}"].combine_chunks() == features[column].combine_chunks().take(rows)
        assert joined.found[view].coverage == pytest.approx(float((numbers != NONE).mean()))
    joined.close()


def _sought(
    asked: pa.Table, features: pa.Table, keys: list[str], ttl: timedelta | None, filter_by_created: bool
) -> Column:
    """By walking back from the last row of each asked row's past."""
    histories: Mapping[Any, list[tuple[Any, ...]]] = defaultdict(list)
    lists = (_plain(features, column) for column in [*keys, "at", "made", "score", "id"])
    for *key, at, made, score, number in zip(*lists, strict=True):
        if at is not None and None not in key:
            order = (at, _or_least(made), _or_least(score), number)
            histories[tuple(key)].append(order)
    for history in histories.values():
        history.sort()
    oldest = None if ttl is None else ttl // timedelta(microseconds=1)
    found = np.full(len(asked), NONE)
    for place, (*key, now) in enumerate(zip(*(_plain(asked, c) for c in [*keys, "when"]), strict=True)):
        if now is None or None in key:
            continue
        history = histories.get(tuple(key), [])
        last = bisect_right(history, (now, np.inf)) - 1
        while last >= 0 and filter_by_created and history[last][1] > now:
            last -= 1
        if last >= 0 and (oldest is None or now - history[last][0] <= oldest):
            found[place] = history[last][3]
    return found


def _plain(table: pa.Table, column: str) -> list[Any]:
    values = table[column]
    whole: list[Any] = (values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values).to_pylist()
    return whole


def _or_least(value: float | None) -> float:
    return -np.inf if value is None else value
