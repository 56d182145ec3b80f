"""What every engine promises, promise by promise, on rows that can be counted on the fingers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asgard_pipelines.errors import ColumnNotFound, Invalid, TypeMismatch
from asgard_pipelines.features.point_in_time.engine import Engine, Lookup
from asgard_pipelines.lakehouse import parquet_source
from asgard_pipelines_tests.contracts.clock import HOUR, NOON, TIMES, US, times
from asgard_pipelines_tests.contracts.conftest import Ask, Join


def test_the_ttl_includes_its_edge_and_not_a_microsecond_more(ask: Ask) -> None:
    asked = times(NOON, NOON + HOUR - US, NOON + HOUR, NOON + HOUR + US)
    row = {"at": times(NOON), "v": [1]}
    assert ask({"at": asked}, row, ttl=HOUR) == [1, 1, 1, None]
    assert ask({"at": asked}, row, ttl=HOUR - US) == [1, 1, None, None]
    assert ask({"at": asked}, row, ttl=timedelta(0)) == [1, None, None, None]
    assert ask({"at": asked}, row, ttl=None) == [1, 1, 1, 1]
    assert ask({"at": asked}, row, ttl=timedelta.max) == [1, 1, 1, 1]


def test_a_row_of_the_very_instant_counts_and_one_of_a_microsecond_later_does_not(ask: Ask) -> None:
    assert ask({"at": times(NOON)}, {"at": times(NOON - HOUR, NOON), "v": [1, 2]}) == [2]
    assert ask({"at": times(NOON)}, {"at": times(NOON - HOUR, NOON + US), "v": [1, 2]}) == [1]
    assert ask({"at": times(NOON)}, {"at": times(NOON + HOUR), "v": [2]}) == [None]


def test_an_older_row_does_not_come_back_when_the_newer_has_expired(ask: Ask) -> None:
    rows = {"at": times(NOON, NOON + HOUR), "v": [1, 2]}
    assert ask({"at": times(NOON + 3 * HOUR)}, rows, ttl=HOUR) == [None]


def test_of_equal_event_times_the_newest_created_wins_and_a_null_one_loses(ask: Ask) -> None:
    rows = {
        "at": times(NOON, NOON, NOON, NOON),
        "created": times(NOON - 2 * HOUR, NOON - HOUR, None, NOON - 3 * HOUR),
        "v": [1, 2, 9, 9],
    }
    assert ask({"at": times(NOON)}, rows) == [2]
    assert ask({"at": times(NOON)}, rows, filter_by_created=False) == [2]


def test_of_equal_created_times_the_greatest_values_win_and_a_null_loses(ask: Ask) -> None:
    rows = {"at": times(NOON, NOON, NOON), "created": times(NOON, NOON, NOON), "v": [1, 2, None]}
    assert ask({"at": times(NOON)}, rows) == [2]
    floats = {"at": times(NOON, NOON, NOON), "v": [float("inf"), None, float("-inf")]}
    assert ask({"at": times(NOON)}, floats) == [float("inf")]


def test_ties_are_decided_column_by_column(ask: Ask) -> None:
    rows = {"at": times(NOON, NOON, NOON), "v": [1, 2, 3], "first": ["b", "b", "a"]}
    assert ask({"at": times(NOON)}, rows, ties=["first", "v"]) == [2]
    assert ask({"at": times(NOON)}, rows, ties=["v", "first"]) == [3]


def test_arrays_break_ties_item_by_item(ask: Ask) -> None:
    assert ask({"at": times(NOON)}, {"at": times(NOON, NOON), "v": [[10], [9, 9]]}) == [[10]]
    assert ask({"at": times(NOON)}, {"at": times(NOON, NOON), "v": [[1], [1, None]]}) == [[1, None]]


def test_a_row_created_after_the_asked_time_counts_only_without_the_filter(ask: Ask) -> None:
    rows = {"at": times(NOON, NOON + HOUR), "created": times(NOON, NOON + 3 * HOUR), "v": [1, 2]}
    asked = times(NOON + 2 * HOUR, NOON + 3 * HOUR - US, NOON + 3 * HOUR)
    assert ask({"at": asked}, rows) == [1, 1, 2]
    assert ask({"at": asked}, rows, filter_by_created=False) == [2, 2, 2]


def test_a_row_without_a_created_time_counts(ask: Ask) -> None:
    rows = {"at": times(NOON), "created": times(None), "v": [1]}
    assert ask({"at": times(NOON)}, rows) == [1]


def test_asked_rows_come_back_once_each_in_their_places(join: Join) -> None:
    asked = {
        "k": ["b", "a", "b", "b", "c"],
        "at": times(NOON, NOON, NOON - HOUR, NOON, NOON),
        "note": [1.5, float("nan"), None, 1.5, 0.0],
    }
    rows = {"k": ["a", "b", "b", "b"], "at": times(NOON, NOON, NOON, NOON - HOUR), "v": [1, 2, 2, 3]}
    joined = join(asked, rows)
    table = joined.table()
    assert table["view__v"].to_pylist() == [2, 1, 3, 2, None]
    assert table.schema == pa.schema([*pa.table(asked).schema, ("view__v", pa.int64())]) == joined.schema
    assert str(table.select(["k", "at", "note"]).to_pylist()) == str(pa.table(asked).to_pylist())
    assert joined.num_rows == 5
    assert joined.found["view"].coverage == 0.8
    assert joined.found["view"].newest == NOON.replace(tzinfo=UTC)


def test_the_hour_that_comes_twice_is_two_hours(ask: Ask) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    night = datetime(2024, 10, 27, 2, 30, tzinfo=berlin)
    asked = pa.array([night, night.replace(fold=1)], pa.timestamp("us", "Europe/Berlin"))
    between = {"at": times(datetime(2024, 10, 27, 1, 0)), "v": [1]}
    assert ask({"at": asked}, between) == [None, 1]
    new_york = datetime(2024, 11, 3, 1, 30, tzinfo=ZoneInfo("America/New_York"))
    asked = pa.array([new_york, new_york.replace(fold=1)], pa.timestamp("ms", "America/New_York"))
    assert ask({"at": asked}, {"at": times(datetime(2024, 11, 3, 6, 30)), "v": [1]}, ttl=HOUR) == [None, 1]


def test_a_naive_time_is_utc_and_a_date_its_midnight(ask: Ask) -> None:
    aware = pa.array([NOON.replace(tzinfo=UTC)], pa.timestamp("us", "UTC"))
    assert ask({"at": times(NOON - US, NOON)}, {"at": aware, "v": [1]}) == [None, 1]
    days = {"at": pa.array([date(2024, 2, 29), date(2024, 3, 1)]), "v": [1, 2]}
    midnight = datetime(2024, 3, 1)
    assert ask({"at": times(midnight - US, midnight)}, days) == [1, 2]
    rows = {"at": times(midnight, midnight + US), "v": [1, 2]}
    assert ask({"at": pa.array([date(2024, 3, 1)])}, rows) == [1]


def test_nanoseconds_are_rounded_down(ask: Ask) -> None:
    for start in (NOON, datetime(1969, 12, 31, 23, 59)):
        asked = [np.datetime64(start, "ns") + np.timedelta64(extra, "ns") for extra in (-1, 0, 999, 1000)]
        rows = {"at": times(start, start + US), "v": [1, 2]}
        assert ask({"at": pa.array(asked, pa.timestamp("ns"))}, rows) == [None, 1, 1, 2]
        assert ask({"at": times(start, start + US)}, rows | {"at": pa.array(asked[1:3])}) == [2, 2]


def test_the_first_and_the_last_instants_are_instants(join: Join) -> None:
    first, last = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)
    rows = {"at": times(first, last), "v": [1, 2]}
    for ttl in (None, timedelta(0), timedelta.max):
        joined = join({"at": times(first, last)}, rows, ttl=ttl)
        assert joined.table()["view__v"].to_pylist() == [1, 2]
        assert joined.found["view"].newest == last.replace(tzinfo=UTC)
    assert join({"at": times(first)}, rows).found["view"].newest == first.replace(tzinfo=UTC)


def test_none_asked_is_none_answered(join: Join) -> None:
    asked = pa.schema([("k", pa.int64()), ("at", TIMES)]).empty_table().to_pydict()
    joined = join(
        {"k": pa.array(asked["k"], pa.int64()), "at": times()}, {"k": [1], "at": times(NOON), "v": [1]}
    )
    assert joined.table().num_rows == joined.num_rows == 0
    assert joined.table().column_names == ["k", "at", "view__v"]
    assert sum(batch.num_rows for batch in joined.batches()) == 0
    assert (joined.found["view"].coverage, joined.found["view"].newest) == (0.0, None)


def test_a_file_without_rows_gives_nulls(join: Join) -> None:
    joined = join(
        {"k": [1], "at": times(NOON)},
        {"k": pa.array([], pa.int64()), "at": times(), "v": pa.array([], pa.string())},
    )
    assert joined.table()["view__v"].to_pylist() == [None]
    assert joined.table()["view__v"].type == pa.string()
    assert (joined.found["view"].coverage, joined.found["view"].newest) == (0.0, None)


def test_a_join_without_lookups_gives_the_asked_rows(engine: Engine) -> None:
    asked = pa.table({"k": [2, 1], "at": times(NOON, None)})
    joined = engine.join(asked, "at", [], filter_by_created=True)
    assert joined.table() == asked
    assert pa.Table.from_batches(joined.batches(), asked.schema) == asked
    assert (dict(joined.found), list(joined.reads)) == ({}, [])


def test_no_temporary_file_outlives_its_use(
    join: Join, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    many = times(*[NOON] * 50)
    joined = join({"at": many}, {"at": times(NOON), "v": ["x" * 50]})
    next(iter(joined.batches()))
    assert sum(batch.num_rows for batch in joined.batches()) == 50
    joined.close()
    assert {path for path in tmp_path.iterdir() if path.suffix != ".parquet"} == before


WRONG: Sequence[tuple[dict[str, Any], dict[str, Any], type[Exception], str]] = [
    ({"k": ["1"]}, {}, TypeMismatch, "string cannot be looked up in one of type int64"),
    ({"k": [1.0]}, {}, TypeMismatch, "double"),
    ({"k": [True]}, {}, TypeMismatch, "bool"),
    ({"at": ["2024-02-29"]}, {}, TypeMismatch, "A time is needed"),
    ({"view__v": [1]}, {}, Invalid, "view__v"),
    ({}, {"keys": {"kk": "k"}}, ColumnNotFound, "'kk' not found in 'the asked rows'.*Did you mean 'k'"),
    ({}, {"keys": {"k": "kk"}}, ColumnNotFound, "'kk' not found"),
    ({}, {"timestamp": "att"}, ColumnNotFound, "'att' not found"),
    ({}, {"timestamp": "v"}, TypeMismatch, "int64"),
    ({}, {"created_timestamp": "made"}, ColumnNotFound, "'made' not found"),
    ({}, {"columns": {"w": "w"}}, ColumnNotFound, "'w' not found"),
    ({}, {"columns": {"at": "v"}}, Invalid, "at"),
    ({}, {"ties": ["w"]}, ColumnNotFound, "'w' not found"),
]


@pytest.mark.parametrize(("asked", "rule", "error", "says"), WRONG)
def test_what_cannot_be_answered_is_refused(
    engine: Engine,
    tmp_path: Path,
    asked: dict[str, Any],
    rule: dict[str, Any],
    error: type[Exception],
    says: str,
) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"k": [1], "at": times(NOON), "v": [1]}), path)
    standing: dict[str, Any] = {"keys": {"k": "k"}, "timestamp": "at", "columns": {"view__v": "v"}}
    lookup = Lookup("view", parquet_source(str(path)), **(standing | rule))
    frame = pa.table({"k": [1], "at": times(NOON)} | asked)
    with pytest.raises(error, match=says):
        engine.join(frame, "at", [lookup], filter_by_created=True)
