"""The second pass of the join: the values of the rows that were found, in the order asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from asgard_pipelines.features.kinds import Ints
from asgard_pipelines.features.point_in_time.arrangement import Arrangement
from asgard_pipelines.features.point_in_time.engine import Found, Lookup
from asgard_pipelines.features.point_in_time.numbered_rows import NumberedRows
from asgard_pipelines.features.point_in_time.orders import by_number
from asgard_pipelines.features.point_in_time.spill import Spill
from asgard_pipelines.features.point_in_time.winners import Won
from asgard_pipelines.lakehouse import Pin

_BATCH_ROWS = 65_536
_MOST_PARTS = 128
_TEXT_BYTES = 32
"""What a value without a fixed width is taken to need."""


@dataclass(frozen=True)
class Search:
    """Lookups that find the same rows of `rows`, and which those are."""

    lookups: Sequence[Lookup]
    rows: NumberedRows
    won: Won
    found: Found

    @property
    def columns(self) -> list[str]:
        """The source's columns that are wanted, each once."""
        return list(dict.fromkeys(c for lookup in self.lookups for c in lookup.columns.values()))

    @property
    def schema(self) -> pa.Schema:
        """Of those columns."""
        return pa.schema([self.lookups[0].source.schema.field(column) for column in self.columns])

    def row_bytes(self) -> int:
        return sum(_width(field.type) for field in self.schema)


class StreamedRows:
    """The rows of a join (see `JoinedRows`). Values are read when the rows are, each time anew."""

    def __init__(
        self, asked: pa.Table, lookups: Sequence[Lookup], searches: Sequence[Search], held_bytes: int
    ) -> None:
        self._asked, self._lookups, self._searches = asked, lookups, searches
        self._held_bytes = held_bytes
        self.num_rows: int = asked.num_rows
        self.found: Mapping[str, Found] = {
            lookup.name: search.found for search in searches for lookup in search.lookups
        }
        self.reads: Sequence[Pin] = sorted({lookup.source.pin for lookup in lookups}, key=str)

    @property
    def schema(self) -> pa.Schema:
        fields = [
            pa.field(name, lookup.source.schema.field(column).type)
            for lookup in self._lookups
            for name, column in lookup.columns.items()
        ]
        return pa.schema([*self._asked.schema, *fields])

    def table(self) -> pa.Table:
        return self._named(self._asked, [_found_values(search) for search in self._searches])

    def batches(self) -> Iterator[pa.RecordBatch]:
        rows = self._part_rows()
        if self.num_rows <= rows:
            yield from self.table().to_batches(max_chunksize=_BATCH_ROWS)
            return
        with Spill(rows) as spill:
            for number, search in enumerate(self._searches):
                _scatter(search, number, spill)
            for part, first in enumerate(range(0, self.num_rows, rows)):
                pa.default_memory_pool().release_unused()
                asked = self._asked.slice(first, rows)
                yield from self._part(spill, part, asked).to_batches(max_chunksize=_BATCH_ROWS)

    def _part_rows(self) -> int:
        """Whole batches, if it is more than one; and so many that not too many parts are open files."""
        width = sum(search.row_bytes() for search in self._searches)
        rows = max(self._held_bytes // max(width, 1), self.num_rows // _MOST_PARTS, 1)
        return rows if rows < _BATCH_ROWS else rows // _BATCH_ROWS * _BATCH_ROWS

    def _part(self, spill: Spill, part: int, asked: pa.Table) -> pa.Table:
        searches = enumerate(self._searches)
        return self._named(asked, [spill.read(n, part, one.schema, len(asked)) for n, one in searches])

    def close(self) -> None:
        """Nothing is held between reads."""

    def _named(self, asked: pa.Table, values: Sequence[pa.Table]) -> pa.Table:
        by_lookup = {
            lookup.name: columns
            for search, columns in zip(self._searches, values, strict=True)
            for lookup in search.lookups
        }
        columns = [
            by_lookup[lookup.name][column] for lookup in self._lookups for column in lookup.columns.values()
        ]
        return pa.table([*asked.columns, *columns], schema=self.schema)


def _found_values(search: Search) -> pa.Table:
    won = search.won
    arrangement = Arrangement(search.schema, won.places, len(won.positions))
    search.rows.visit(search.columns, won.positions, arrangement.put)
    return arrangement.table()


def _scatter(search: Search, number: int, spill: Spill) -> None:
    """Writes every asked row's values to the part in which the row comes."""
    order = np.flatnonzero(search.won.places >= 0).astype(np.int32)
    order = order[by_number(search.won.places[order])]
    winners = search.won.places[order]

    def put(first: int, rows: pa.RecordBatch, wanted: Ints) -> None:
        edges = np.array([first, first + len(wanted)], np.int32)  # of another type, it would copy `winners`
        low, high = np.searchsorted(winners, edges)
        spill.write(number, rows, wanted[winners[low:high] - first], order[low:high])

    search.rows.visit(search.columns, search.won.positions, put)


def _width(kind: pa.DataType) -> int:
    try:
        return max(int(kind.bit_width) // 8, 1)
    except ValueError:  # no fixed width
        return _TEXT_BYTES
