"""One Parquet file, read by place: its row groups are the parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from asgard_pipelines.lakehouse.pins import Predicate
from asgard_pipelines.lakehouse.sources import Piece, Positions

_BATCH_ROWS = 65_536
"""Few enough that the columns of a batch stay in the processor's cache while they are worked on."""
_BUFFER_BYTES = 256 << 10
"""Read ahead per column; without it a whole row group of each column is held. Of 1 MB, the system's work to
hand out fresh memory is a tenth of the whole join."""


@dataclass(frozen=True)
class Projection:
    """How columns that are asked for come out of one file."""

    stored: Sequence[str]
    """What to read, as the file calls it."""
    plain: Callable[[pa.RecordBatch], pa.RecordBatch]
    """What was read -> what was asked for, in plain types."""


class Layout:
    """What a table makes of a file's own schema."""

    listed_by_bounds = False
    """A file's bounds were looked at when it was listed: of one part they say nothing new."""

    def projection(self, file: pa.Schema, columns: Sequence[str]) -> Projection:
        raise NotImplementedError

    def condition(self, file: pa.Schema, where: Sequence[Predicate]) -> ds.Expression | None:
        """The predicates over the file's own columns; None when they say nothing."""
        raise NotImplementedError

    def newest(self, time_column: str) -> int | None:
        """See `DataFile`; without opening the file."""
        return None


@dataclass
class ParquetParts:
    """A `DataFile` of a table's or a folder's Parquet files."""

    path: str
    open: Callable[[], Any] = field(repr=False)
    """Gives the file, open for random reads."""
    layout: Layout = field(repr=False)
    deleted: Positions = field(repr=False, default_factory=lambda: np.empty(0, np.int64))
    _projections: dict[tuple[str, ...], Projection] = field(default_factory=dict, repr=False)

    @cached_property
    def part_rows(self) -> Sequence[int]:
        footer = self._footer
        return [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]

    def newest(self, time_column: str) -> int | None:
        return self.layout.newest(time_column)

    def parts(self, where: Sequence[Predicate]) -> list[int]:
        if self.layout.listed_by_bounds and len(self.part_rows) == 1:
            return [0]
        with self._opened() as (file, stream):
            groups = range(file.metadata.num_row_groups)
            condition = self.layout.condition(file.schema_arrow, where)
            if condition is None or len(groups) == 0:
                return list(groups)
            fragment = ds.ParquetFileFormat().make_fragment(stream)
            return [group.id for group in fragment.subset(filter=condition).row_groups]

    def pieces(self, columns: Sequence[str], part: int) -> Iterator[Piece]:
        for first, rows in self._read(columns, part):
            kept = self._kept(first, rows.num_rows)
            if kept is None:
                yield Piece(np.arange(first, first + rows.num_rows), rows)
            elif len(kept):
                yield Piece(first + kept, rows.take(pa.array(kept)))

    def at(self, columns: Sequence[str], positions: Positions) -> Iterator[tuple[pa.RecordBatch, Positions]]:
        edges = np.searchsorted(positions, np.cumsum([0, *self.part_rows]))
        for part in np.flatnonzero(np.diff(edges)):
            for first, rows in self._read(columns, int(part)):
                low, high = np.searchsorted(positions, (first, first + rows.num_rows))
                if high > low:
                    yield rows, positions[low:high] - first

    def _read(self, columns: Sequence[str], part: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Batches of a part, each with the position of its first row."""
        first = sum(self.part_rows[:part])
        with self._opened() as (file, _):
            projection = self._projections.get(tuple(columns))
            if projection is None:
                projection = self.layout.projection(file.schema_arrow, columns)
                self._projections[tuple(columns)] = projection
            for batch in file.iter_batches(
                _BATCH_ROWS, row_groups=[part], columns=list(projection.stored), use_threads=False
            ):
                yield first, projection.plain(batch)
                first += batch.num_rows

    def _kept(self, first: int, rows: int) -> Positions | None:
        """Which rows of a batch are not deleted; None for all."""
        low, high = np.searchsorted(self.deleted, (first, first + rows))
        if low == high:
            return None
        kept = np.ones(rows, dtype=bool)
        kept[self.deleted[low:high] - first] = False
        return np.flatnonzero(kept)

    @cached_property
    def _footer(self) -> pq.FileMetaData:
        with self.open() as stream:
            return pq.read_metadata(stream)

    @contextmanager
    def _opened(self) -> Iterator[tuple[pq.ParquetFile, Any]]:
        with self.open() as stream:
            yield pq.ParquetFile(stream, metadata=self._footer, buffer_size=_BUFFER_BYTES), stream
