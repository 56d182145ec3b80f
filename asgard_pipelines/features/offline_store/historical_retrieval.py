"""Features as of each row's own time, as a Feast job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from asgard_pipelines.features.offline_store.entity_rows import EntityRows
from asgard_pipelines.features.offline_store.retrieval import StreamedRetrieval, in_utc, one_batch
from asgard_pipelines.features.offline_store.view_lookups import ASKED_AT, ViewLookup, asked_rows
from asgard_pipelines.features.point_in_time.engine import Engine, JoinedRows


class HistoricalRetrieval(StreamedRetrieval):
    """Features as of each entity row's own time."""

    def __init__(
        self,
        engine: Engine,
        rows: Callable[[], EntityRows],
        views: Sequence[ViewLookup],
        *,
        filter_by_created: bool,
        **rest: Any,
    ) -> None:
        super().__init__(**rest)
        self._engine = engine
        self._rows = rows
        self._views = views
        self._filter_by_created = filter_by_created

    def _parts(self) -> pa.RecordBatchReader:
        rows, joined, schema = self._joined()

        def generate() -> Iterator[pa.RecordBatch]:
            first = 0
            try:
                for batch in joined.batches():
                    own = one_batch(rows.table.slice(first, batch.num_rows))
                    first += batch.num_rows
                    features = [batch.column(name) for name in self._names]
                    yield pa.RecordBatch.from_arrays(_as(schema, [*own.columns, *features]), schema=schema)
            finally:
                joined.close()

        return pa.RecordBatchReader.from_batches(schema, generate())

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        rows, joined, schema = self._joined()
        try:
            features = joined.table().select(self._names)
            return pa.table(_as(schema, [*rows.table.columns, *features.columns]), schema=schema)
        finally:
            joined.close()

    @property
    def _names(self) -> list[str]:
        return [name for view in self._views for name in view.columns]

    def _joined(self) -> tuple[EntityRows, JoinedRows, pa.Schema]:
        rows = self._rows()
        asked, lookups = asked_rows(rows.table, rows.timestamp, self._views)
        features = [
            pa.field(name, in_utc(view.source.schema.field(column).type))
            for view in self._views
            for name, column in view.columns.items()
        ]
        schema = pa.schema([*rows.table.schema, *features])
        joined = self._engine.join(asked, ASKED_AT, lookups, filter_by_created=self._filter_by_created)
        return rows, joined, schema


def _as(schema: pa.Schema, columns: Sequence[Any]) -> list[Any]:
    return [
        column if column.type == kind else column.cast(kind)
        for column, kind in zip(columns, schema.types, strict=True)
    ]
