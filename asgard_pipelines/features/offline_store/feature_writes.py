"""Rows that come in through Feast: pushed or ingested into a view's own source, and logged features."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from feast.infra.data_sources.contrib.iceberg_catalog import IcebergSource
from feast.infra.offline_stores.file_source import FileLoggingDestination

from asgard_pipelines.errors import Invalid, Unsupported
from asgard_pipelines.features.offline_store.opened_sources import OpenedSources
from asgard_pipelines.features.offline_store.parquet_writing import append_to_file, local_path, write_file
from asgard_pipelines.features.offline_store.saved_rows import IcebergLoggingDestination
from asgard_pipelines.features.offline_store.stored_types import narrowed
from asgard_pipelines.features.source_pins import AS_OF_TAG, SNAPSHOT_TAG
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.settings import Settings


def write_batch(config: Any, view: Any, rows: pa.Table) -> None:
    """Adds rows to a view's source: in one commit to an Iceberg table, or to Parquet files.

    Args:
        rows: the source's columns, by their own names or as the view calls them, in any order.

    Raises:
        Invalid: other columns than the source's, or a source that is pinned to a snapshot.
        TypeMismatch, TableNotFound, Unsupported
    """
    source = view.batch_source
    if source is None:
        raise Unsupported(f"Feature view '{view.name}' has no batch source to write to.", view=view.name)
    sources = OpenedSources(config)
    if isinstance(source, IcebergSource):
        if {SNAPSHOT_TAG, AS_OF_TAG} & set(source.tags):
            raise Invalid(
                f"Source '{source.name}' is pinned: what is written there would never be read. Write through "
                "a view on the same table without a pin.",
                source=source.name,
            )
        lakehouse, table = sources.table(source)
        schema = lakehouse.schema(lakehouse.pin(table))
        rows = _named_as(rows, schema.names, source.field_mapping, view.name)
        lakehouse.append(table, narrowed(rows, schema), key=uuid4().hex)
        return
    rows = _named_as(rows, sources.open(source).schema.names, source.field_mapping, view.name)
    place = local_path(config.repo_path, sources.location(source))
    if place.is_dir():
        write_file(place / f"{uuid4().hex}.parquet", rows.cast(_stored(place)).to_reader())
    else:
        append_to_file(place, rows)


def write_logs(config: Any, data: pa.Table | Path, destination: Any) -> None:
    """Adds logged features to their destination, which is made by the first ones.

    Args:
        data: rows, or a folder of Parquet files.

    Raises:
        Unsupported: a destination that is no Iceberg table and no Parquet folder.
    """

    def rows() -> pa.RecordBatchReader:
        if isinstance(data, pa.Table):
            return data.to_reader()
        scanner = ds.dataset(data, format="parquet").scanner()
        return scanner.to_reader()

    if isinstance(destination, IcebergLoggingDestination):
        table = destination.to_data_source().qualified
        Lakehouse(Settings.read()).append(table, rows, key=uuid4().hex)
        return
    if not isinstance(destination, FileLoggingDestination) or destination.s3_endpoint_override:
        raise Unsupported(
            f"Features cannot be logged to {type(destination).__name__}: give "
            "IcebergLoggingDestination(table=…) or FileLoggingDestination(path=…)."
        )
    place = local_path(config.repo_path, destination.path)
    if not destination.partition_by:
        write_file(place / f"{uuid4().hex}.parquet", rows())
        return
    for folder, part in _partitions(rows().read_all(), destination.partition_by):
        write_file(place / folder / f"{uuid4().hex}.parquet", part.to_reader())


def _named_as(rows: pa.Table, names: list[str], mapping: dict[str, str], view: str) -> pa.Table:
    """The rows under the source's names, in its order. Raises Invalid."""
    own = {mapped: column for column, mapped in mapping.items() if column in names}
    rows = rows.rename_columns([name if name in names else own.get(name, name) for name in rows.column_names])
    if sorted(rows.column_names) != sorted(names):
        missing = sorted(set(names) - set(rows.column_names))
        extra = sorted(set(rows.column_names) - set(names))
        raise Invalid(
            f"Rows for feature view '{view}' have to hold the columns of its source, {', '.join(names)}: "
            f"{', '.join(missing) or 'nothing'} is missing, {', '.join(extra) or 'nothing'} is too much.",
            missing=missing,
            extra=extra,
        )
    return rows.select(names).replace_schema_metadata(None)


def _stored(folder: Path) -> pa.Schema:
    return ds.dataset(folder, format="parquet").schema.remove_metadata()


def _partitions(rows: pa.Table, columns: list[str]) -> Iterator[tuple[Path, pa.Table]]:
    """The rows by folder, as Hive names them: `column=value`. The columns stay in the rows too."""
    for values in rows.select(columns).group_by(columns).aggregate([]).to_pylist():
        chosen = pc.scalar(True)
        for column, value in values.items():
            field = pc.field(column)
            chosen = chosen & (field.is_null() if value is None else field == value)
        folder = Path(*(f"{column}={value}" for column, value in values.items()))
        yield folder, rows.filter(chosen)
