"""The embedded engine: two passes over the files, on all cores, without ever holding a table.

The first pass reads keys and times of every row that may matter, and finds for each asked row the row
it gets (`winners.py`). The second reads the values of those rows alone (`streamed_rows.py`). Files and row
groups that can hold no such row, by their statistics, are not opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.errors import ColumnNotFound, Invalid
from asgard_pipelines.features.kinds import Ints, decoded, instants, is_string
from asgard_pipelines.features.point_in_time.engine import Found, Lookup
from asgard_pipelines.features.point_in_time.numbered_rows import NumberedRows
from asgard_pipelines.features.point_in_time.slots import Slots
from asgard_pipelines.features.point_in_time.streamed_rows import Search, StreamedRows
from asgard_pipelines.features.point_in_time.value_order import greatest
from asgard_pipelines.features.point_in_time.winners import Winners, Won
from asgard_pipelines.lakehouse import Between, OneOf, Predicate, TimeRange

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FEW_KEYS = 200
"""Up to this many keys files are looked for one by one: PyIceberg takes no more. Above, by their range."""


class StreamedJoin:
    """An `Engine` (see there).

    Args:
        threads: how many read and decode at once.
        held_bytes: results up to this size are made at once; of larger ones `batches` makes a part of this
            size at a time, and sorts the rest on disk (in the system's temporary folder).
    """

    def __init__(self, threads: int, *, held_bytes: int = 32 << 20) -> None:
        self._threads, self._held_bytes = threads, held_bytes

    def join(
        self, asked: pa.Table, timestamp: str, lookups: Sequence[Lookup], *, filter_by_created: bool
    ) -> StreamedRows:
        _check(asked, timestamp, lookups)
        keys_asked = [key for lookup in lookups for key in lookup.keys]
        plain = decoded(asked.select(list(dict.fromkeys([timestamp, *keys_asked]))))
        shared: dict[tuple[object, ...], Slots] = {}
        searches = []
        for alike in _alike(lookups):
            kinds = [alike[0].source.schema.field(column).type for column in alike[0].keys.values()]
            keys = (*alike[0].keys, *kinds)
            if keys not in shared:
                shared[keys] = Slots([plain[name] for name in alike[0].keys], kinds, plain[timestamp])
            where = _where(plain, timestamp, alike[0])
            searches.append(self._search(alike, shared[keys], where, cut=filter_by_created))
        return StreamedRows(asked, lookups, searches, self._held_bytes)

    def _search(
        self, alike: Sequence[Lookup], slots: Slots, where: Sequence[Predicate], *, cut: bool
    ) -> Search:
        one = alike[0]
        created = one.created_timestamp
        ttl = None if one.ttl is None else one.ttl // _MICROSECOND
        winners = Winners(slots, ttl, cut=cut and created is not None)
        rows = NumberedRows(one.source, where, self._threads)
        keys = list(one.keys.values())

        def see(numbers: Ints, batch: pa.RecordBatch) -> None:
            made = batch.column(created) if created else None
            winners.see(numbers, [batch.column(key) for key in keys], batch.column(one.timestamp), made)

        columns = dict.fromkeys([*keys, one.timestamp, *([created] if created else [])])
        rows.scan(list(columns), one.timestamp, see)
        pa.default_memory_pool().release_unused()  # what follows needs the most memory, none of it Arrow's
        _settle(winners, rows, list(one.ties))
        won = winners.result()
        return Search(alike, rows, won, _found(won))


def _settle(winners: Winners, rows: NumberedRows, columns: Sequence[str]) -> None:
    """Lets the values decide between rows that are equal but for them."""
    ties = winners.ties()
    if len(ties.slots) and columns:
        values = pa.Table.from_batches(rows.take(columns, ties.positions))
        best = greatest(ties.slots, values)
        winners.settle(ties.slots[best], ties.positions[best])


def _found(won: Won) -> Found:
    newest = None if won.newest is None else _EPOCH + won.newest * _MICROSECOND
    return Found(float(np.mean(won.places >= 0)) if len(won.places) else 0.0, newest)


def _instant(microseconds: int) -> datetime:
    """The nearest instant that Python can say."""
    days = microseconds // 86_400_000_000
    if days <= (_FIRST - _EPOCH).days:
        return _FIRST
    return _LAST if days >= (_LAST - _EPOCH).days else _EPOCH + timedelta(microseconds=microseconds)


def _where(asked: pa.Table, timestamp: str, lookup: Lookup) -> list[Predicate]:
    """What rows that are found must meet, as far as statistics can tell."""
    result: list[Predicate] = []
    raw, present = instants(asked[timestamp])
    if not present.any():
        return [TimeRange(lookup.timestamp, end=_FIRST)]
    first, last = _instant(int(raw[present].min())), _instant(int(raw[present].max()))
    reaches = lookup.ttl is not None and lookup.ttl < first - _FIRST
    start = first - lookup.ttl if lookup.ttl is not None and reaches else None
    result.append(
        TimeRange(lookup.timestamp, start=start, end=None if last == _LAST else last + _MICROSECOND)
    )
    for name, column in lookup.keys.items():
        kind = lookup.source.schema.field(column).type
        if pa.types.is_integer(kind) or is_string(kind):
            result.append(_key_predicate(asked[name], column))
    return result


def _key_predicate(keys: pa.ChunkedArray, column: str) -> Predicate:
    edges = pc.min_max(keys).as_py()
    if edges["min"] is None:
        return OneOf(column, ())
    distinct = pc.unique(keys.slice(0, 10 * _FEW_KEYS)) if len(keys) <= 10 * _FEW_KEYS else None
    if distinct is not None and len(distinct) <= _FEW_KEYS:
        return OneOf(column, tuple(key for key in distinct.to_pylist() if key is not None))
    return Between(column, edges["min"], edges["max"])


def _alike(lookups: Iterable[Lookup]) -> list[list[Lookup]]:
    """Lookups that find the same rows in the same place, so that they are looked for once."""
    groups: dict[tuple[object, ...], list[Lookup]] = {}
    for one in lookups:
        keys = tuple(sorted(one.keys.items()))
        source = one.source.pin if one.source.pin.snapshot_id is not None else id(one.source)
        same = (source, keys, one.timestamp, one.created_timestamp, one.ttl, tuple(one.ties))
        groups.setdefault(same, []).append(one)
    return list(groups.values())


def _check(asked: pa.Table, timestamp: str, lookups: Sequence[Lookup]) -> None:
    for name in dict.fromkeys([timestamp, *(key for lookup in lookups for key in lookup.keys)]):
        if name not in asked.column_names:
            raise ColumnNotFound(name, asked.column_names, table="the asked rows")
    for lookup in lookups:
        present = lookup.source.schema.names
        created = [lookup.created_timestamp] if lookup.created_timestamp else []
        needed = [*lookup.keys.values(), lookup.timestamp, *created, *lookup.columns.values(), *lookup.ties]
        for column in needed:
            if column not in present:
                raise ColumnNotFound(column, present, table=lookup.source.pin.table)
    names = [*asked.column_names, *(name for lookup in lookups for name in lookup.columns)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Invalid(f"Two columns would be called {', '.join(twice)}: rename one.", columns=twice)
