"""Retrieval jobs: planned when they are made, computed whenever they are asked for rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.types import from_feast_to_pyarrow_type

from asgard_pipelines.errors import Invalid, TypeMismatch
from asgard_pipelines.features.offline_store.saved_rows import save
from asgard_pipelines.lakehouse import Pin

if TYPE_CHECKING:
    import polars as pl


class StreamedRetrieval(RetrievalJob):
    """What all jobs of the store share. Times in results are in UTC."""

    def __init__(
        self,
        repo: Any,
        reads: Sequence[Pin],
        *,
        metadata: RetrievalMetadata | None = None,
        on_demand: Sequence[Any] = (),
        full_names: bool = False,
    ) -> None:
        self._repo = repo
        self._reads = tuple(reads)
        self._metadata = metadata
        self._on_demand = list(on_demand)
        self._full_names = full_names

    @abstractmethod
    def _parts(self) -> pa.RecordBatchReader:
        """The rows without on-demand features, anew at each call."""

    @property
    def reads(self) -> tuple[Pin, ...]:
        """What is read: each table at the snapshot that was chosen when the retrieval was planned."""
        return self._reads

    @property
    def full_feature_names(self) -> bool:
        return self._full_names

    @property
    def on_demand_feature_views(self) -> list[Any]:
        return self._on_demand

    @property
    def metadata(self) -> RetrievalMetadata | None:
        return self._metadata

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, a bounded number at a time; on-demand views see one batch at a time.

        Raises:
            TypeMismatch: an on-demand view gives another kind than it declares.
        """
        yield from self.to_reader()

    def to_reader(self) -> pa.RecordBatchReader:
        """`to_batches` as one Arrow stream, with its schema."""
        parts = self._parts()
        if not self._on_demand:
            return parts
        first = next(iter(parts), None)
        computed = self._computed(one_batch(parts.schema.empty_table()) if first is None else first)
        schema = computed.schema

        def generate() -> Iterator[pa.RecordBatch]:
            if first is not None:
                yield computed
            for batch in parts:
                later = self._computed(batch)
                if later.schema.names != schema.names:
                    raise Invalid(
                        "An on-demand view gives other columns for other rows: "
                        f"{', '.join(later.schema.names)}; before, {', '.join(schema.names)}."
                    )
                yield later

        return pa.RecordBatchReader.from_batches(schema, generate())

    def to_polars(self) -> pl.DataFrame:
        """All rows as a Polars frame."""
        import polars as pl

        frame = pl.from_arrow(self.to_arrow())
        assert isinstance(frame, pl.DataFrame)  # of a table, always
        return frame

    def persist(self, storage: Any, allow_overwrite: bool = False, timeout: int | None = None) -> None:
        """Writes the rows, on-demand features among them, to Parquet files or to an Iceberg table.

        Raises:
            SavedDatasetLocationAlreadyExists: Feast's own; there is something, and it is not to be replaced.
            Unsupported: storage of another kind.
        """
        save(self._repo, storage, self.to_reader, self._reads, allow_overwrite=allow_overwrite)

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self._parts().read_all()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        frame: pd.DataFrame = self._to_arrow_internal(timeout).to_pandas()
        return frame

    def _computed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows and their on-demand features, in their declared types."""
        rows = _OneBatch(self, batch).to_arrow()
        declared = {
            name: from_feast_to_pyarrow_type(feature.dtype)
            for view in self._on_demand
            for feature in view.features
            for name in (feature.name, f"{view.projection.name_to_use()}__{feature.name}")
        }
        given = set(batch.schema.names)
        fields = [
            pa.field(field.name, declared.get(field.name, field.type)) if field.name not in given else field
            for field in rows.schema
        ]
        return _cast(one_batch(rows), pa.schema(fields))


class _OneBatch(RetrievalJob):
    """Some rows of a job, through Feast's own computing of on-demand features."""

    def __init__(self, job: StreamedRetrieval, batch: pa.RecordBatch) -> None:
        self._job = job
        self._batch = batch

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return pa.Table.from_batches([self._batch])

    @property
    def full_feature_names(self) -> bool:
        return self._job.full_feature_names

    @property
    def on_demand_feature_views(self) -> list[Any]:
        return self._job.on_demand_feature_views

    @property
    def metadata(self) -> RetrievalMetadata | None:
        return self._job.metadata


def in_utc(kind: pa.DataType) -> pa.DataType:
    """The type as Feast shows it: naive times, which mean UTC here, say so."""
    if pa.types.is_timestamp(kind):
        return pa.timestamp(kind.unit, "UTC")
    if pa.types.is_list(kind):
        return pa.list_(in_utc(kind.value_type))
    return kind


def one_batch(rows: pa.Table) -> pa.RecordBatch:
    """The table in one batch."""
    arrays = [
        column.combine_chunks() if column.num_chunks != 1 else column.chunk(0) for column in rows.columns
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=rows.schema)


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Raises TypeMismatch."""
    arrays = []
    for field in schema:
        column = batch.column(field.name)
        try:
            arrays.append(column if column.type == field.type else column.cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise TypeMismatch(
                f"'{field.name}' is declared {field.type}, and its on-demand view gives {column.type}: "
                f"{error}.",
                column=field.name,
                declared=str(field.type),
                found=str(column.type),
            ) from None
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
