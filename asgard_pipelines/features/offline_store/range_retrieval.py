"""The rows of one source in a range of time: all of them, or the newest one of each key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from asgard_pipelines.errors import ColumnNotFound
from asgard_pipelines.features.kinds import instants
from asgard_pipelines.features.offline_store.retrieval import StreamedRetrieval, in_utc
from asgard_pipelines.features.offline_store.view_lookups import ASKED_AT
from asgard_pipelines.features.point_in_time.engine import Engine, Lookup
from asgard_pipelines.lakehouse import Source, TimeRange

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MANY = 1_000_000
"""So many keys are collected before those that are there twice are dropped."""


class RangeRetrieval(StreamedRetrieval):
    """Every row whose time lies in [start, end], both ends included; None leaves an end open.

    Rows come in the order of the files. `columns` in their order; each once.
    """

    def __init__(
        self,
        source: Source,
        columns: Sequence[str],
        timestamp: str,
        start: datetime | None,
        end: datetime | None,
        **rest: Any,
    ) -> None:
        super().__init__(reads=[source.pin], **rest)
        need(source, [*columns, timestamp])
        self._source = source
        self._columns = list(dict.fromkeys(columns))
        self._timestamp = timestamp
        self._range = (start, end)

    def _parts(self) -> pa.RecordBatchReader:
        schema = _shown(self._source.schema, self._columns)
        found = rows_between(self._source, self._columns, self._timestamp, *self._range)
        batches = (_as_shown(batch.columns, schema) for batch in found)
        return pa.RecordBatchReader.from_batches(schema, batches)


class NewestRetrieval(StreamedRetrieval):
    """Each key's newest row whose time lies in [start, end]; rows with a null in their key have none.

    Keys come in their order of appearance. `columns`: what else is wanted of the rows.
    """

    def __init__(
        self,
        engine: Engine,
        source: Source,
        keys: Sequence[str],
        columns: Sequence[str],
        timestamp: str,
        created: str | None,
        start: datetime,
        end: datetime,
        **rest: Any,
    ) -> None:
        super().__init__(reads=[source.pin], **rest)
        times = [timestamp, created] if created else [timestamp]
        need(source, [*keys, *columns, *times])
        self._engine = engine
        self._source = source
        self._keys = list(keys)
        self._columns = [name for name in dict.fromkeys([*columns, *times]) if name not in keys]
        self._timestamp, self._created = timestamp, created
        self._start, self._end = utc(start), utc(end)

    def _parts(self) -> pa.RecordBatchReader:
        asked = self._asked()
        lookup = Lookup(
            name="newest",
            source=self._source,
            keys={f"asked {key}": key for key in self._keys},
            timestamp=self._timestamp,
            columns={name: name for name in self._columns},
            created_timestamp=self._created,
            ttl=self._end - self._start,
            ties=sorted(self._columns),
        )
        joined = self._engine.join(asked, ASKED_AT, [lookup], filter_by_created=False)
        schema = _shown(self._source.schema, [*self._keys, *self._columns])

        def generate() -> Iterator[pa.RecordBatch]:
            try:
                for batch in joined.batches():
                    columns = [batch.column(f"asked {key}") for key in self._keys]
                    columns += [batch.column(name) for name in self._columns]
                    yield _as_shown(columns, schema)
            finally:
                joined.close()

        return pa.RecordBatchReader.from_batches(schema, generate())

    def _asked(self) -> pa.Table:
        """The keys that have a row in the range, each as of its end. Without keys: all rows are one key's."""
        columns = self._keys or [self._timestamp]
        found = distinct(self._source, columns, self._timestamp, self._start, self._end)
        if not self._keys:
            found = found.slice(0, 1)
        times = pa.repeat(pa.scalar(self._end, pa.timestamp("us", "UTC")), found.num_rows)
        return pa.table({ASKED_AT: times} | {f"asked {key}": found[key] for key in self._keys})


def rows_between(
    source: Source, columns: Sequence[str], timestamp: str, start: datetime | None, end: datetime | None
) -> Iterator[pa.RecordBatch]:
    """The columns of the rows whose time lies in [start, end], a bounded number at a time, in plain types."""
    start, end = None if start is None else utc(start), None if end is None else utc(end)
    where = [TimeRange(timestamp, start, None if end is None else end + _MICROSECOND)]
    for file in source.files(where):
        for part in file.parts(where):
            for piece in file.pieces(list(dict.fromkeys([*columns, timestamp])), part):
                raw, present = instants(pa.chunked_array([piece.rows.column(timestamp)]))
                if start is not None:
                    present &= raw >= (start - _EPOCH) // _MICROSECOND
                if end is not None:
                    present &= raw <= (end - _EPOCH) // _MICROSECOND
                if start is None and end is None:
                    present = np.ones_like(present)
                kept = piece.rows.select(list(columns))
                yield kept if present.all() else kept.filter(pa.array(present))


def distinct(
    source: Source, columns: Sequence[str], timestamp: str, start: datetime | None, end: datetime | None
) -> pa.Table:
    """The different combinations of `columns` without a null in the range, in their order of appearance."""
    schema = pa.schema([source.schema.field(name) for name in columns])
    kept, count, limit = [schema.empty_table()], 0, _MANY
    for batch in rows_between(source, columns, timestamp, start, end):
        kept.append(_different(pa.Table.from_batches([batch], schema)))
        count += kept[-1].num_rows
        if count > limit:
            kept = [_different(pa.concat_tables(kept))]
            count = kept[0].num_rows
            limit = max(_MANY, 2 * count)
    return _different(pa.concat_tables(kept))


def need(source: Source, columns: Sequence[str]) -> None:
    """Raises ColumnNotFound."""
    for column in columns:
        if column not in source.schema.names:
            raise ColumnNotFound(column, source.schema.names, table=str(source.pin))


def utc(instant: datetime) -> datetime:
    """The instant in UTC; a naive one is in UTC already."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _different(rows: pa.Table) -> pa.Table:
    return rows.drop_null().group_by(rows.column_names, use_threads=False).aggregate([])


def _shown(schema: pa.Schema, columns: Sequence[str]) -> pa.Schema:
    return pa.schema([pa.field(name, in_utc(_wide(schema.field(name).type))) for name in columns])


def _wide(kind: pa.DataType) -> pa.DataType:
    """As wide as a feature may be declared over a column: Feast's own materialization takes a float64, and a
    list of them, from nothing narrower, and no time from a date."""
    if pa.types.is_list(kind):
        return pa.list_(_wide(kind.value_type))
    if pa.types.is_float32(kind) or pa.types.is_decimal(kind):
        return pa.float64()
    return pa.timestamp("us") if pa.types.is_date(kind) else kind


def _as_shown(columns: Sequence[pa.Array], schema: pa.Schema) -> pa.RecordBatch:
    # Read as text a decimal is the nearest double; Arrow would divide.
    plain = [one.cast(pa.string()) if pa.types.is_decimal(one.type) else one for one in columns]
    arrays = [one.cast(field.type) for one, field in zip(plain, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def newest_time(source: Source, timestamp: str) -> datetime | None:
    """The greatest time in a column (UTC); None when there is none."""
    need(source, [timestamp])
    newest = None
    for batch in rows_between(source, [timestamp], timestamp, None, None):
        raw, present = instants(pa.chunked_array([batch.column(timestamp)]))
        if present.any():
            latest = int(raw[present].max())
            newest = latest if newest is None else max(newest, latest)
    return None if newest is None else _EPOCH + newest * _MICROSECOND
