"""Reading a table at a pin: projected, filtered and pruned, as Arrow batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask
from pyiceberg.types import DateType, PrimitiveType, TimestampType, TimestamptzType
from pyiceberg.utils.datetime import days_to_date, micros_to_timestamp

from asgard_pipelines.errors import ColumnNotFound, TypeMismatch, Unsupported
from asgard_pipelines.lakehouse.catalog import PinnedTable
from asgard_pipelines.lakehouse.column_types import arrow_schema
from asgard_pipelines.lakehouse.filters import column_kind, expression, instant
from asgard_pipelines.lakehouse.manifests import listed, manifests_of
from asgard_pipelines.lakehouse.pins import Predicate


def read(
    table: PinnedTable, columns: Sequence[str] | None, where: Sequence[Predicate], files_ahead: int
) -> pa.RecordBatchReader:
    """The rows, in the order of `columns`; at most `files_ahead` files are held in memory at once."""
    condition = expression(where, table.schema, table.pin.table)
    projection = projected(table, columns)
    return batches(table, plan(table, condition), projection, condition, columns, files_ahead)


def plan(table: PinnedTable, condition: BooleanExpression) -> list[FileScanTask]:
    """The data files that may hold rows of interest, each with its delete files. Raises Unsupported."""
    try:
        return listed(table, manifests_of(table), condition)
    except ValueError as error:
        if "equality deletes" not in str(error):
            raise
        raise Unsupported(
            f"{table.pin} has equality deletes, which cannot be read here: let the engine that wrote them "
            "compact the table (Flink: rewrite_data_files; Trino: ALTER TABLE … EXECUTE optimize).",
            table=table.pin.table,
            snapshot_id=table.pin.snapshot_id,
        ) from error


def projected(table: PinnedTable, columns: Sequence[str] | None) -> Schema:
    """The part of the table's schema that `columns` names. Raises ColumnNotFound."""
    if columns is None:
        return table.schema
    present = [field.name for field in table.schema.fields]
    for column in columns:
        if column not in present:
            raise ColumnNotFound(column, present, table=table.pin.table)
    return Schema(*(field for field in table.schema.fields if field.name in columns))


def batches(
    table: PinnedTable,
    tasks: Sequence[FileScanTask],
    projection: Schema,
    condition: BooleanExpression,
    columns: Sequence[str] | None = None,
    files_ahead: int = 1,
) -> pa.RecordBatchReader:
    """The rows of `tasks` that meet `condition`, in plain types."""
    plain = arrow_schema(projection)
    if columns is not None:
        plain = pa.schema([plain.field(name) for name in columns])
    scan = ArrowScan(table.metadata, table.io, projection, condition)

    def generate() -> Iterator[pa.RecordBatch]:
        # ArrowScan reads all the files it is given at once: hand it a few at a time
        for first in range(0, len(tasks), files_ahead):
            for batch in scan.to_record_batches(tasks[first : first + files_ahead]):
                yield batch.select(plain.names).cast(plain)

    return pa.RecordBatchReader.from_batches(plain, generate())


def newest(table: PinnedTable, column: str) -> datetime | None:
    """The greatest time in `column` (UTC); None when there is none. Reads no file whose bounds tell it.

    Raises:
        ColumnNotFound: there is no such column.
        TypeMismatch: the column holds no times.
    """
    kind = column_kind(table.schema, column, table.pin.table)
    if not isinstance(kind, TimestampType | TimestamptzType | DateType):
        raise TypeMismatch(
            f"Column '{column}' of '{table.pin.table}' is {kind}, not a time.",
            column=column,
            table=table.pin.table,
        )
    edges = [times for task in plan(table, AlwaysTrue()) if (times := span(table, task, column, kind))]
    return max((last for _, last in edges), default=None)


def span(
    table: PinnedTable, task: FileScanTask, column: str, kind: PrimitiveType
) -> tuple[datetime, datetime] | None:
    """The least and greatest time of one file's rows; None when all are null."""
    field_id = table.schema.find_field(column).field_id
    lower = (task.file.lower_bounds or {}).get(field_id)
    upper = (task.file.upper_bounds or {}).get(field_id)
    if lower and upper and not task.delete_files:
        return _time(lower, kind), _time(upper, kind)
    times = batches(table, [task], projected(table, [column]), AlwaysTrue()).read_all().column(column)
    edges = pc.min_max(times).as_py()
    return None if edges["min"] is None else (instant(edges["min"]), instant(edges["max"]))


def _time(bound: bytes, kind: PrimitiveType) -> datetime:
    value: Any = from_bytes(kind, bound)
    return instant(days_to_date(value) if isinstance(kind, DateType) else micros_to_timestamp(value))
