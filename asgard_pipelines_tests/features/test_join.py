"""The join against the definition, read row by row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgard_pipelines.errors import TypeMismatch
from asgard_pipelines.features.join import Asked, Known, newest

START = datetime(1997, 2, 1)
US = timedelta(microseconds=1)


@dataclass(frozen=True)
class Row:
    key: tuple[str | None, int | None]
    time: datetime | None
    created: datetime | None = None
    value: int | None = 0


def column(values: list[object], kind: pa.DataType) -> pa.ChunkedArray:
    """In two chunks, as tables of several files come; in none, as empty ones do."""
    half = len(values) // 2
    parts = [values[:half], values[half:]] if values else []
    return pa.chunked_array([pa.array(part, kind) for part in parts], kind)


def joined(
    asked: list[Row],
    rows: list[Row],
    ttl: int | None,
    created: bool,
    unit: str = "us",
    zone: str | None = None,
) -> list[int]:
    kind = pa.timestamp(unit, zone)
    known = Known(
        keys=[
            column([r.key[0] for r in rows], pa.large_string()),
            column([r.key[1] for r in rows], pa.int64()),
        ],
        times=column([r.time for r in rows], pa.timestamp("us")),
        created=column([r.created for r in rows], pa.timestamp("us")) if created else None,
        values=[column([r.value for r in rows], pa.int64())],
    )
    ask = Asked(
        [column([a.key[0] for a in asked], pa.string()), column([a.key[1] for a in asked], pa.int32())],
        column([a.time for a in asked], kind),
    )
    return [int(i) for i in newest(ask, known, ttl).index]


def definition(asked: list[Row], rows: list[Row], ttl: int | None, created: bool) -> list[Row | None]:
    """Row by row, in the words of DESIGN.md."""
    answers: list[Row | None] = []
    for ask in asked:
        best: Row | None = None
        for row in rows:
            if ask.time is None or row.time is None or None in ask.key or ask.key != row.key:
                continue
            if row.time > ask.time or (created and row.created is not None and row.created > ask.time):
                continue
            if best is None or _order(row, created) > _order(best, created):
                best = row
        if best is not None and ttl is not None and best.time < ask.time - ttl * US:  # type: ignore[operator]
            best = None
        answers.append(best)
    return answers


def _order(row: Row, created: bool) -> tuple[object, ...]:
    known = created and row.created is not None
    return (
        row.time,
        known,
        row.created if known else START,
        row.value is not None,
        row.value if row.value is not None else 0,
    )


# Few instants and few keys, and many rows in most examples, so that hits and ties of every sort are common.
instants = st.sampled_from([*(START + us * US for us in range(5)), None])
whole = [("a", 1), ("a", 2**33)]
keys = st.sampled_from([*whole, *whole, ("b", 1), ("a", None), (None, 1)])
asked_keys = st.sampled_from([("a", 1), ("a", 1), ("b", 1), ("c", 1), ("a", None), (None, 1)])
value = st.sampled_from([None, 0, 1, 2])


def many(rows: st.SearchStrategy[Row], most: int) -> st.SearchStrategy[list[Row]]:
    return st.lists(rows, max_size=3) | st.lists(rows, min_size=most // 2, max_size=most)


known_rows = many(st.builds(Row, keys, instants, instants, value), 40)
asked_rows = many(st.builds(Row, asked_keys, instants), 12)


@settings(max_examples=300, deadline=None)  # the first example pays for pyarrow's imports
@given(asked_rows, known_rows, st.one_of(st.none(), st.integers(0, 4)), st.booleans(), st.randoms())
def test_each_row_gets_what_the_definition_gives_in_its_place(asked, rows, ttl, created, random):
    expected = definition(asked, rows, ttl, created)
    found = joined(asked, rows, ttl, created)
    assert len(found) == len(asked)

    def seen(row: Row | None) -> object:
        return row and (row.key, row.time, row.created if created else None, row.value)

    assert [seen(rows[i]) if i >= 0 else None for i in found] == [seen(row) for row in expected]
    random.shuffle(rows)
    again = joined(asked, rows, ttl, created)
    assert [seen(rows[i]) if i >= 0 else None for i in again] == [seen(row) for row in expected]


def test_the_ttl_includes_its_edge_and_nothing_beyond():
    row = Row(("a", 1), START)
    asked = [Row(("a", 1), START + 10 * US), Row(("a", 1), START + 11 * US), Row(("a", 1), START)]
    assert joined(asked, [row], ttl=10, created=False) == [0, -1, 0]


def test_a_row_created_later_does_not_count_though_its_event_was_before():
    rows = [Row(("a", 1), START, START), Row(("a", 1), START + US, START + 5 * US)]
    asked = [Row(("a", 1), START + 4 * US), Row(("a", 1), START + 5 * US)]
    assert joined(asked, rows, ttl=None, created=True) == [0, 1]


def test_an_older_event_never_comes_back_because_the_newer_one_expired():
    rows = [Row(("a", 1), START), Row(("a", 1), START + 2 * US)]
    assert joined([Row(("a", 1), START + 9 * US)], rows, ttl=8, created=False) == [1]
    assert joined([Row(("a", 1), START + 11 * US)], rows, ttl=8, created=False) == [-1]


def test_a_zone_is_only_another_way_to_write_an_instant():
    zone = timezone(timedelta(hours=5))
    asked = [Row(("a", 1), (START + timedelta(hours=5)).replace(tzinfo=zone))]
    assert joined(asked, [Row(("a", 1), START)], 0, False, zone="Asia/Karachi") == [0]


def test_nanoseconds_are_rounded_down_and_never_reach_the_future():
    times = pa.chunked_array([pa.array([-1, 0, 999, 1000], pa.timestamp("ns"))])
    known = Known([], pa.chunked_array([pa.array([0, 1], pa.timestamp("us"))]))
    assert [int(i) for i in newest(Asked([], times), known, None).index] == [-1, 0, 0, 1]


def test_a_view_without_entities_is_one_history_for_all():
    times = pa.chunked_array([pa.array([START, START + 3 * US], pa.timestamp("us"))])
    known = Known([], pa.chunked_array([pa.array([START + US, START + 2 * US], pa.timestamp("us"))]))
    assert [int(i) for i in newest(Asked([], times), known, None).index] == [-1, 1]


def test_a_date_is_its_midnight():
    asked = Asked([], pa.chunked_array([pa.array([date(1997, 2, 1)])]))
    known = Known(
        [], pa.chunked_array([pa.array([datetime(1997, 2, 1, tzinfo=UTC)], pa.timestamp("us", "UTC"))])
    )
    assert [int(i) for i in newest(asked, known, 0).index] == [0]


def test_a_string_is_never_looked_up_among_numbers():
    with pytest.raises(TypeMismatch, match="cannot be looked up"):
        newest(
            Asked([column(["1"], pa.string())], column([START], pa.timestamp("us"))),
            Known([column([1], pa.int64())], column([START], pa.timestamp("us"))),
            None,
        )


def test_lists_and_decimals_and_booleans_break_ties_too():
    for values, kind in (
        ([[2], [1]], pa.list_(pa.int64())),
        ([True, False], pa.bool_()),
        ([2, 1], pa.decimal128(9, 2)),
    ):
        times = column([START, START], pa.timestamp("us"))
        known = Known([], times, None, [column(values, kind)])
        found = newest(Asked([], column([START], pa.timestamp("us"))), known, None)
        assert (int(found.index[0]), found.tied) == (0, True)
