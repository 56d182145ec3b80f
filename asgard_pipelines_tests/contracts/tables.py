"""Feeds as Iceberg tables with a past and a future.

At one snapshot a table holds what its feed holds. Before, its columns had other names and types, rows stood
in it that were deleted by position since, its partitions were others; after, it went on changing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count, pairwise
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from pyiceberg.table import Table
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform, MonthTransform
from pyiceberg.types import DecimalType, DoubleType, LongType

from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines_tests.contracts.cases import Feed
from asgard_pipelines_tests.contracts.columns import table as arrow_table
from asgard_pipelines_tests.contracts.deletes import delete_by_position

ROW = "row_id"
_NARROW = {
    pa.int64(): (pa.int32(), LongType()),
    pa.float64(): (pa.float32(), DoubleType()),
    pa.decimal128(38, 2): (pa.decimal128(20, 2), DecimalType(38, 2)),
}
_numbers = count()


@dataclass(frozen=True)
class History:
    """What befell a table. What is drawn by `seed` alone is which columns and rows it befell."""

    seed: int
    group: int
    cuts: Sequence[int]
    deleted: bool
    added: bool
    renamed: bool
    widened: bool
    reordered: bool
    partitions: Sequence[str]
    """The partition of the first rows, then that of the others: of `day`, `month`, `bucket`, `key`, ``."""
    after: Sequence[str]
    """What follows the pin: of `append`, `restate`, `delete`, `swap`, `drop`, `rename`."""


_PARTITIONS = st.sampled_from(["", "", "day", "month", "bucket", "key"])
histories = st.builds(
    History,
    seed=st.integers(0, 2**16),
    group=st.sampled_from([1, 2, 3, 1000]),
    cuts=st.lists(st.integers(0, 30), max_size=1),
    deleted=st.booleans(),
    added=st.booleans(),
    renamed=st.booleans(),
    widened=st.booleans(),
    reordered=st.booleans(),
    partitions=st.tuples(_PARTITIONS, _PARTITIONS),
    after=st.lists(
        st.sampled_from(["append", "restate", "delete", "swap", "drop", "rename"]), max_size=2, unique=True
    ),
)


def grown(lakehouse: Lakehouse, feed: Feed, history: History) -> tuple[Pin, Feed]:
    """The pin at which the new table holds a feed, and that feed: rows older than a column have no value."""
    rng = Random(history.seed)
    late = rng.sample(feed.values, 1) if history.added and feed.values else []
    edges = [0, *sorted(min(cut, len(feed.rows)) for cut in [rng.randint(0, 30), *history.cuts])]
    rows = [{**row, **dict.fromkeys(late if place < edges[1] else [])} for place, row in enumerate(feed.rows)]
    feed = replace(feed, rows=rows)
    chunks = [rows[begin:end] for begin, end in pairwise([*edges, len(rows)])]
    doomed = [_junk(rng, feed) if history.deleted else [] for _ in chunks]
    past = _Past.of(rng, feed, history, late, chunks[0] + doomed[0])

    name = f"gold.t{next(_numbers)}"
    numbers = count(1)
    gone: set[int] = set()
    past.create(lakehouse, name, history.group)
    for place, (kept, dying) in enumerate(zip(chunks, doomed, strict=True)):
        if place == 1:
            past.end(lakehouse.catalog.load(name), history.reordered, rng)
        table = lakehouse.catalog.load(name)
        if place < 2:
            _partition(table, feed, history.partitions[place], place)
        named = [(row, next(numbers), dead) for dead in (False, True) for row in (dying if dead else kept)]
        rng.shuffle(named)
        gone |= {number for _, number, dead in named if dead}
        stored = [past.stored(row, place) | {ROW: number} for row, number, _ in named]
        table.append(arrow_table(stored, past.schema(place)))
    if gone:
        delete_by_position(lakehouse.catalog.load(name), ROW, gone, rng)
    pin = lakehouse.pin(name)
    for what in history.after:
        _befall(lakehouse.catalog.load(name), feed, what, rng)
    return pin, feed


@dataclass(frozen=True)
class _Past:
    """The first rows' columns: what they were called, how narrow they were, and which were not there."""

    feed: Feed
    late: Sequence[str]
    older: dict[str, str]
    narrow: dict[str, pa.DataType]

    @staticmethod
    def of(
        rng: Random, feed: Feed, history: History, late: Sequence[str], first: list[dict[str, Any]]
    ) -> _Past:
        there = [name for name in feed.columns if name not in late]
        renamed = rng.sample(there, 2) if history.renamed else []
        narrow = {
            name: _NARROW[kind][0]
            for name, kind in feed.columns.items()
            if history.widened and name in there and kind in _NARROW
            if all(_fits(row[name], _NARROW[kind][0]) for row in first)
        }
        return _Past(feed, late, {name: f"{name} once" for name in renamed}, narrow)

    def schema(self, place: int) -> pa.Schema:
        if place:
            return pa.schema([*self.feed.columns.items(), (ROW, pa.int64())])
        columns = [
            (self.older.get(name, name), self.narrow.get(name, kind))
            for name, kind in self.feed.columns.items()
            if name not in self.late
        ]
        # A column that is dropped before another one gets its name: its values must never come back.
        return pa.schema([*columns, *((name, pa.string()) for name in self.late), (ROW, pa.int64())])

    def stored(self, row: dict[str, Any], place: int) -> dict[str, Any]:
        if place:
            return row
        held = {self.older.get(name, name): value for name, value in row.items() if name not in self.late}
        return held | dict.fromkeys(self.late, "of the column before")

    def create(self, lakehouse: Lakehouse, name: str, group: int) -> None:
        properties = {"format-version": "2", "write.parquet.row-group-limit": str(group)}
        lakehouse.catalog.iceberg.create_table(name, self.schema(0), properties=properties)

    def end(self, table: Table, reordered: bool, rng: Random) -> None:
        for name in self.late:
            with table.update_schema() as update:
                update.delete_column(name)
        wanted = pa.schema([(name, self.feed.columns[name]) for name in self.late])
        with table.update_schema() as update:
            if self.late:
                update.union_by_name(wanted)
            for name, older in self.older.items():
                update.rename_column(older, name)
            for name in self.narrow:
                update.update_column(self.older.get(name, name), _NARROW[self.feed.columns[name]][1])
        if reordered:
            with table.update_schema() as update:
                update.move_first(rng.choice([*self.feed.columns]))


def _junk(rng: Random, feed: Feed) -> list[dict[str, Any]]:
    """Rows made of pieces of the feed's own, so that they would be found if they were there."""
    many = rng.randint(0, 6) if feed.rows else 0
    return [{name: rng.choice(feed.rows)[name] for name in feed.columns} for _ in range(many)]


def _fits(value: Any, kind: pa.DataType) -> bool:
    if value is None or isinstance(value, Decimal):
        return True
    if pa.types.is_integer(kind):
        return bool(-(2**31) <= value < 2**31)
    with np.errstate(over="ignore"):
        return bool(float(np.float32(value)) == value or value != value)


def _partition(table: Table, feed: Feed, by: str, place: int) -> None:
    key = next(iter(feed.keys), None)
    column, transform = {
        "day": (feed.timestamp, DayTransform()),
        "month": (feed.timestamp, MonthTransform()),
        "bucket": (key, BucketTransform(3)),
        "key": (key, IdentityTransform()),
    }.get(by, (None, None))
    names = [field.name for field in table.schema().fields]
    if column is not None and column not in names:
        column = f"{column} once"
    with table.update_spec() as update:
        for field in table.spec().fields:
            update.remove_field(field.name)
        if column is not None and not (by == "bucket" and feed.columns[key] == pa.bool_()):
            update.add_field(column, transform, f"part{place}")


def _befall(table: Table, feed: Feed, what: str, rng: Random) -> None:
    fields = [field.name for field in table.schema().fields if field.name in feed.columns]
    if what == "delete":
        delete_by_position(table, ROW, set(range(1, 1000, 2)), rng)
    elif what == "swap":
        pairs = [(a, b) for a, b in pairwise(fields) if feed.columns[a] == feed.columns[b]]
        for one, other in pairs[:1]:
            for old, new in ((one, "between"), (other, one), ("between", other)):
                with table.update_schema() as update:
                    update.rename_column(old, new)
    elif what in ("drop", "rename") and fields:
        free = [name for name in feed.values if name in fields]
        with table.update_schema() as update:
            for name in free[:1] if what == "drop" else []:
                update.delete_column(name)
            for name in fields[:2] if what == "rename" else []:
                update.rename_column(name, f"{name} later")
    elif what in ("append", "restate") and set(fields) == set(feed.columns):
        rows = [row | {ROW: 0} for row in _junk(rng, feed)]
        more = arrow_table(rows, pa.schema([*feed.columns.items(), (ROW, pa.int64())]))
        there = list(table.scan().plan_files())  # PyIceberg warns of an overwrite that finds nothing
        (table.overwrite if what == "restate" and there else table.append)(more)
