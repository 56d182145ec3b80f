"""The logical difference of two snapshots."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyiceberg.expressions import AlwaysTrue

from asgard_pipelines.errors import ColumnNotFound, SnapshotNotFound
from asgard_pipelines.lakehouse import Changes, Lakehouse, OneOf, Pin, TimeRange

START = datetime(2020, 1, 1)
NAMES = count()


def _day(number: int) -> datetime:
    return START + timedelta(days=number)


def _rows(*rows: tuple[int, int | None, float | None]) -> pa.Table:
    ids, days, amounts = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "at": pa.array([None if day is None else _day(day) for day in days], pa.timestamp("us")),
            "amount": pa.array(amounts, pa.float64()),
        }
    )


@pytest.fixture
def first(lakehouse: Lakehouse) -> Pin:
    return lakehouse.append("t", _rows((1, 0, 1.0), (2, 1, 2.0), (3, 40, 3.0)), key="1").pin


def _compact(lakehouse: Lakehouse) -> Pin:
    """Every row into one new file, in another order."""
    table = lakehouse.catalog.load("t")
    table.overwrite(table.scan().to_arrow().sort_by([("id", "descending")]), AlwaysTrue())
    return lakehouse.pin("t")


def test_a_snapshot_does_not_differ_from_itself(lakehouse: Lakehouse, first: Pin) -> None:
    assert lakehouse.changes(first, first, "at") == Changes(0, 0, None, None)


def test_a_rewrite_with_equal_rows_is_no_change(lakehouse: Lakehouse, first: Pin) -> None:
    lakehouse.append("t", _rows((4, 50, math.nan), (4, 50, math.nan), (5, None, None)), key="2")
    before = lakehouse.pin("t")
    after = _compact(lakehouse)
    assert after != before
    assert not lakehouse.changes(before, after, "at")


def test_a_restated_row_stands_on_both_sides(lakehouse: Lakehouse, first: Pin) -> None:
    after = lakehouse.overwrite("t", _rows((2, 2, 20.0)), where=[OneOf("id", (2,))], key="2").pin
    changes = lakehouse.changes(first, after, "at")
    assert changes == Changes(1, 1, _day(1).replace(tzinfo=UTC), _day(2).replace(tzinfo=UTC))
    assert changes.rows == 2
    assert bool(changes)


def test_a_deletion_is_a_change(lakehouse: Lakehouse, first: Pin) -> None:
    after = lakehouse.overwrite("t", _rows(), where=[TimeRange("at", _day(40))], key="2").pin
    assert lakehouse.changes(first, after, "at") == Changes(0, 1, *[_day(40).replace(tzinfo=UTC)] * 2)


def test_a_doubled_row_is_a_change(lakehouse: Lakehouse, first: Pin) -> None:
    after = lakehouse.append("t", _rows((1, 0, 1.0)), key="2").pin
    _compact(lakehouse)
    assert lakehouse.changes(first, after, "at").added == 1
    assert lakehouse.changes(first, lakehouse.pin("t"), "at").added == 1


def test_everything_is_new_after_no_snapshot(lakehouse: Lakehouse, first: Pin) -> None:
    found = lakehouse.changes(Pin("gold.t", None), first, "at")
    assert found == Changes(3, 0, START.replace(tzinfo=UTC), _day(40).replace(tzinfo=UTC))
    assert lakehouse.changes(Pin("gold.t", None), first, None) == Changes(3, 0, None, None)


def test_appended_rows_are_counted_without_reading_them(lakehouse: Lakehouse, first: Pin) -> None:
    after = lakehouse.append("t", _rows((4, 50, 4.0), (5, 51, 5.0)), key="2").pin
    for file in Path(lakehouse.state("t").location.removeprefix("file://")).rglob("*.parquet"):
        file.unlink()
    expected = Changes(2, 0, _day(50).replace(tzinfo=UTC), _day(51).replace(tzinfo=UTC))
    assert lakehouse.changes(first, after, "at") == expected


def test_a_new_column_is_a_change_only_where_it_has_values(lakehouse: Lakehouse, first: Pin) -> None:
    with lakehouse.catalog.load("t").update_schema() as update:
        update.union_by_name(pa.schema([("score", pa.int64())]))
    before, after = first, _compact(lakehouse)
    assert not lakehouse.changes(before, after, "at")
    scored = _rows((1, 0, 1.0)).append_column("score", pa.array([7]))
    after = lakehouse.overwrite("t", scored, where=[OneOf("id", (1,))], key="2").pin
    assert lakehouse.changes(before, after, "at").rows == 2


def test_a_dropped_and_a_renamed_column_are_no_change(lakehouse: Lakehouse, first: Pin) -> None:
    with lakehouse.catalog.load("t").update_schema() as update:
        update.delete_column("amount")
        update.rename_column("id", "n")
    assert not lakehouse.changes(first, _compact_by(lakehouse, "n"), "at")


def _compact_by(lakehouse: Lakehouse, column: str) -> Pin:
    table = lakehouse.catalog.load("t")
    table.overwrite(table.scan().to_arrow().sort_by([(column, "descending")]))
    return lakehouse.pin("t")


def test_a_widened_column_is_no_change(lakehouse: Lakehouse) -> None:
    before = lakehouse.append("t", pa.table({"id": pa.array([1, 2], pa.int32())}), key="1").pin
    lakehouse.append("t", pa.table({"id": [3]}), key="2")
    after = lakehouse.overwrite("t", pa.table({"id": [2, 1, 3]}), key="3").pin
    assert lakehouse.changes(before, after, None) == Changes(1, 0, None, None)


@pytest.mark.parametrize("name", ["n", "sign", "c0", 'we "ird', "SELECT"])
def test_no_column_name_gets_in_the_way(lakehouse: Lakehouse, name: str) -> None:
    before = lakehouse.append("t", pa.table({name: [1, 2], "b": [1, 2]}), key="1").pin
    after = lakehouse.overwrite("t", pa.table({name: [1, 3], "b": [1, 2]}), key="2").pin
    assert lakehouse.changes(before, after, None) == Changes(1, 1, None, None)


def test_nested_values_are_compared(lakehouse: Lakehouse) -> None:
    rows = pa.table({"tags": [["a", "b"], None, []], "place": [{"x": 1.5}, {"x": None}, None]})
    before = lakehouse.append("t", rows, key="1").pin
    assert not lakehouse.changes(before, lakehouse.overwrite("t", rows, key="2").pin, None)
    after = lakehouse.overwrite("t", rows.slice(0, 2), key="3").pin
    assert lakehouse.changes(before, after, None) == Changes(0, 1, None, None)


def test_a_snapshot_that_is_gone_is_said(lakehouse: Lakehouse, first: Pin) -> None:
    with pytest.raises(SnapshotNotFound):
        lakehouse.changes(Pin("gold.t", 1), first, "at")
    with pytest.raises(ColumnNotFound):
        lakehouse.changes(Pin("gold.t", None), first, "when")


ROW = st.tuples(
    st.integers(0, 3),
    st.none() | st.integers(0, 3),
    st.none() | st.sampled_from([0.0, 1.5, math.nan, math.inf]),
)
STEP = st.tuples(
    st.sampled_from(["append", "replace ids", "replace days", "compact"]),
    st.lists(ROW, max_size=4),
    st.frozensets(st.integers(0, 3), min_size=1),
)


@given(steps=st.lists(STEP, min_size=1, max_size=4))
@hypothesis_settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_changes_are_those_of_two_bags_of_rows(
    lakehouse: Lakehouse, steps: list[tuple[str, list[tuple[int, int | None, float | None]], frozenset[int]]]
) -> None:
    name = f"t{next(NAMES)}"
    pins = [lakehouse.append(name, _rows((0, 0, 0.0)), key="start").pin]
    for index, (kind, rows, keys) in enumerate(steps):
        if kind == "append":
            pins.append(lakehouse.append(name, _rows(*rows), key=str(index)).pin)
        elif kind == "compact":
            pins.append(lakehouse.overwrite(name, lakehouse.read_table(pins[-1]), key=str(index)).pin)
        else:
            low = min(keys)
            where = (
                OneOf("id", tuple(keys))
                if kind == "replace ids"
                else TimeRange("at", _day(low), _day(low + 1))
            )
            pins.append(lakehouse.overwrite(name, _rows(*rows), where=[where], key=str(index)).pin)
    for before, after in pairwise(pins):
        assert lakehouse.changes(before, after, "at") == _oracle(lakehouse, before, after)
    assert lakehouse.changes(pins[0], pins[-1], "at") == _oracle(lakehouse, pins[0], pins[-1])


def _oracle(lakehouse: Lakehouse, before: Pin, after: Pin) -> Changes:
    old, new = Counter(_bag(lakehouse, before)), Counter(_bag(lakehouse, after))
    times = [at.replace(tzinfo=UTC) for _, at, _ in [*(old - new), *(new - old)] if at is not None]
    return Changes(
        (new - old).total(), (old - new).total(), min(times, default=None), max(times, default=None)
    )


def _bag(lakehouse: Lakehouse, pin: Pin) -> Iterator[tuple[int, datetime | None, str]]:
    for row in lakehouse.read_table(pin).to_pylist():
        yield row["id"], row["at"], repr(row["amount"])
