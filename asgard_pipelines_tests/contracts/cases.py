"""Generated questions: what is asked, of which feeds, and what the feeds hold.

Few instants and few keys, and many rows in most examples, so that hits, misses and ties are all common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from asgard_pipelines_tests.contracts.columns import KEYS, US, VALUES, ZONED, Kind, table
from asgard_pipelines_tests.contracts.oracle import Rule

TIME = "asked at"
_US = timedelta(microseconds=1)
_BASES = (
    datetime(2024, 10, 26, 23, 59, 59, 999999),  # the night in which Berlin has 02:30 twice
    datetime(2024, 3, 31, 1),  # and the one in which it has none
    datetime(1969, 12, 31, 23, 59, 59, 999998),
    datetime(2024, 2, 28),
)
_EDGES = (datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999))
_UNITS = (_US, timedelta(seconds=1), timedelta(hours=1), timedelta(days=1))
_ASKED_TIMES = (
    US,
    US,
    ZONED,
    pa.timestamp("us", "Europe/Berlin"),
    pa.timestamp("us", "America/New_York"),
    pa.timestamp("us", "+05:30"),
    pa.timestamp("ms", "Europe/Berlin"),
    pa.timestamp("s"),
    pa.timestamp("ns"),
    pa.timestamp("ns", "America/New_York"),
    pa.date32(),
)


@dataclass(frozen=True)
class Feed:
    """What a source holds. `filler` columns are there to be skipped."""

    columns: Mapping[str, pa.DataType]
    keys: Mapping[str, Kind]
    timestamp: str
    created: str | None
    values: Sequence[str]
    rows: list[dict[str, Any]] = field(repr=False)

    @property
    def table(self) -> pa.Table:
        return table(self.rows, pa.schema(list(self.columns.items())))


@dataclass(frozen=True)
class Question:
    """One lookup to come: in which feed, by which rule; `columns` as in a `Lookup`."""

    name: str
    feed: int
    rule: Rule
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Case:
    schema: pa.Schema
    asked: list[dict[str, Any]]
    feeds: list[Feed]
    questions: list[Question]
    filter_by_created: bool

    @property
    def table(self) -> pa.Table:
        """What is asked, in two chunks, as frames that were put together come."""
        whole, half = table(self.asked, self.schema), len(self.asked) // 2
        return pa.concat_tables([whole.slice(0, half), whole.slice(half)])


@dataclass(frozen=True)
class _Clock:
    """The few instants of one example, and how far they stand apart."""

    instants: list[datetime]
    unit: timedelta


@st.composite
def _clocks(draw: st.DrawFn) -> _Clock:
    base, unit = draw(st.sampled_from(_BASES)), draw(st.sampled_from(_UNITS))
    instants = [base + step * unit for step in range(5)] + [base + unit - _US, base + unit + _US]
    if draw(st.integers(0, 5)) == 0:
        instants += _EDGES
    return _Clock(instants, unit)


@st.composite
def cases(draw: st.DrawFn, most_feeds: int = 2) -> Case:
    clock = draw(_clocks())
    kinds = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=draw(st.sampled_from([1, 1, 2, 3]))))
    feeds = [draw(_feeds(clock, kinds)) for _ in range(draw(st.integers(1, most_feeds)))]
    kind_of = {f"k{part}{side}": kind for part, kind in enumerate(kinds) for side in ("", "_too")}
    types = {name: draw(st.sampled_from(kind.asked)) for name, kind in kind_of.items()}
    time = draw(st.sampled_from(_ASKED_TIMES))
    schema = pa.schema([*types.items(), ("note", pa.float64()), (TIME, time)])
    columns = {name: _asked_values(kind_of[name], kind) for name, kind in types.items()} | {
        "note": (1.0, None, float("nan")),
        TIME: _asked_instants(clock, time),
    }
    asked = draw(_many(_rows(draw, columns), 15))
    questions = [draw(_questions(clock, feeds, f"view{n}")) for n in range(draw(st.integers(1, 4)))]
    return Case(schema, asked, feeds, questions, draw(st.booleans()))


@st.composite
def _feeds(draw: st.DrawFn, clock: _Clock, kinds: list[Kind]) -> Feed:
    own = {f"k{part}": kind for part, kind in enumerate(kinds)}
    at, created = draw(st.sampled_from([("at", "created"), ("event time", "größe"), ("k.at", "1st")]))
    times = {at: draw(st.sampled_from([US, US, ZONED, pa.date32()]))}
    if draw(st.integers(0, 4)):
        times[created] = draw(st.sampled_from([US, ZONED, pa.date32()]))
    values = {f"v{n}": kind for n, kind in enumerate(draw(st.lists(st.sampled_from(VALUES), max_size=3)))}
    columns = {name: draw(st.sampled_from(kind.stored)) for name, kind in (own | values).items()} | times
    filler = {"skipped": pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))])}
    pools: dict[str, Sequence[Any]] = {name: kind.values for name, kind in (own | values).items()}
    pools |= {name: _instants(clock, kind) for name, kind in times.items()}
    pools["skipped"] = ({"a": 1, "b": ["x", "y"]}, {"a": None, "b": []}, None)
    order = draw(st.permutations([*columns, *filler]))
    return Feed(
        columns={name: (columns | filler)[name] for name in order},
        keys=own,
        timestamp=at,
        created=created if created in times else None,
        values=list(values),
        rows=draw(_many(_rows(draw, pools), 30)),
    )


def _rows(draw: st.DrawFn, pools: Mapping[str, Sequence[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Rows over few of each column's values; about half the columns hold nulls.

    A row is drawn as one number, which is much faster than value by value, and shrinks as well.
    """
    columns = {}
    for name, pool in pools.items():
        few = st.lists(st.sampled_from(pool), min_size=1, max_size=3)
        columns[name] = draw(few | st.just(list(pool))) + draw(st.sampled_from([[], [None]]))

    def row(number: int) -> dict[str, Any]:
        values = {}
        for name, pool in columns.items():
            number, place = divmod(number, len(pool))
            values[name] = pool[place]
        return values

    return st.integers(0, prod(map(len, columns.values())) - 1).map(row)


def _many(rows: st.SearchStrategy[dict[str, Any]], most: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(rows, max_size=most) | st.lists(rows, min_size=most // 2, max_size=most)


def _asked_values(kind: Kind, asked: pa.DataType) -> Sequence[Any]:
    if asked not in (kind.asked[0], pa.uint64()) or not kind.only_asked:
        fits = (0, 2**31) if pa.types.is_unsigned_integer(asked) else None
        return [value for value in kind.values if fits is None or fits[0] <= value < fits[1]]
    return [*kind.values, *kind.only_asked]


def _instants(clock: _Clock, kind: pa.DataType) -> list[datetime | date]:
    return [one.date() for one in clock.instants] if pa.types.is_date(kind) else [*clock.instants]


def _asked_instants(clock: _Clock, kind: pa.DataType) -> list[Any]:
    if pa.types.is_date(kind):
        return _instants(clock, kind)
    if kind.unit == "ns":
        near = [np.datetime64(one, "ns") for one in clock.instants if one not in _EDGES]
        return [one + np.timedelta64(extra, "ns") for one in near for extra in (0, 999)]
    if kind.unit == "us":
        return list(clock.instants)
    whole = {"s": 10**6, "ms": 10**3}[kind.unit]
    return [one.replace(microsecond=one.microsecond // whole * whole) for one in clock.instants]


@st.composite
def _questions(draw: st.DrawFn, clock: _Clock, feeds: list[Feed], name: str) -> Question:
    number = draw(st.integers(0, len(feeds) - 1))
    feed = feeds[number]
    parts = draw(st.sampled_from([list(feed.keys), list(feed.keys), list(feed.keys)[:1], []]))
    keys = {part + draw(st.sampled_from(["", "", "_too"])): part for part in draw(st.permutations(parts))}
    everything = [*feed.values, *feed.keys, feed.timestamp, *([feed.created] if feed.created else [])]
    chosen = draw(st.lists(st.sampled_from(everything), max_size=4))
    unit = clock.unit
    ages = [None, None, None, timedelta(0), unit, 2 * unit, unit + _US, unit - _US, timedelta.max]
    rule = Rule(
        keys=keys,
        timestamp=feed.timestamp,
        created_timestamp=draw(st.sampled_from([feed.created] * 4 + [None])),
        ttl=draw(st.sampled_from(ages)),
        ties=draw(st.sampled_from([sorted(feed.values), sorted(feed.values, reverse=True), everything, []])),
    )
    return Question(name, number, rule, {f"{name}__{n} {of}": of for n, of in enumerate(chosen)})
