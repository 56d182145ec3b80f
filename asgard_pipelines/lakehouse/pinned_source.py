"""A table at a pin as a `Source`: its schema as of then, its deletes honoured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from pyiceberg.expressions import BooleanExpression
from pyiceberg.expressions.visitors import _InclusiveMetricsEvaluator, bind, translate_column_names
from pyiceberg.io.pyarrow import (
    _get_column_projection_values,
    _read_all_delete_files,
    _to_requested_schema,
    expression_to_pyarrow,
    pyarrow_to_schema,
)
from pyiceberg.manifest import FileFormat
from pyiceberg.schema import Schema, prune_columns
from pyiceberg.table import FileScanTask
from pyiceberg.types import ListType, MapType, NestedField, PrimitiveType

from asgard_pipelines.errors import Unsupported
from asgard_pipelines.lakehouse.catalog import PinnedTable
from asgard_pipelines.lakehouse.filters import expression
from asgard_pipelines.lakehouse.parquet_parts import Layout, ParquetParts, Projection
from asgard_pipelines.lakehouse.picked_files import PickedFile, Tally
from asgard_pipelines.lakehouse.pins import Pin, Predicate, TimeRange
from asgard_pipelines.lakehouse.reads import plan, projected
from asgard_pipelines.lakehouse.rows_in_time import rows_within
from asgard_pipelines.lakehouse.sources import DataFile, Positions, Source

Picked: TypeAlias = tuple[FileScanTask, Positions | None]
"""A data file with its delete files, and those of its rows that are wanted; None for all."""

_TIME_BYTES = 8


@dataclass(frozen=True)
class PinnedSource:
    """
    Args:
        picked: of files of the table, by path, how they are scanned and the rows which stand (None: all);
            others are left out, and the table's manifests are not read.
        where: predicates that files are pruned by besides those asked; their rows are not.
        tally: counts what is read.
    """

    table: PinnedTable
    picked: Mapping[str, Picked] | None = None
    where: Sequence[Predicate] = ()
    tally: Tally | None = None

    @property
    def pin(self) -> Pin:
        return self.table.pin

    @cached_property
    def schema(self) -> pa.Schema:
        return self.table.arrow_schema

    def _expression(self, where: Sequence[Predicate]) -> BooleanExpression:
        return expression([*self.where, *where], self.table.schema, self.pin.table)

    def files(self, where: Sequence[Predicate]) -> list[DataFile]:
        condition = self._expression(where)
        tasks = self._picked(condition) if self.picked is not None else plan(self.table, condition)
        tasks = sorted(tasks, key=lambda task: str(task.file.file_path))
        for task in tasks:
            if task.file.file_format != FileFormat.PARQUET:
                raise Unsupported(
                    f"'{self.pin.table}' holds {task.file.file_format.value} files; only Parquet is read: "
                    "rewrite the table as Parquet.",
                    table=self.pin.table,
                    file=task.file.file_path,
                )
        seen: dict[bytes, _Seen] = {}
        return [
            self._file(_PinnedLayout(self.table, task, seen), deleted)
            for task, deleted in zip(tasks, deleted_rows(self.table, tasks), strict=True)
        ]

    def _picked(self, condition: BooleanExpression) -> list[FileScanTask]:
        """As `plan` would prune them, without the table's manifests."""
        may_match = _InclusiveMetricsEvaluator(self.table.schema, condition).eval
        return [task for task, _ in (self.picked or {}).values() if may_match(task.file)]

    def _file(self, layout: _PinnedLayout, deleted: Positions) -> DataFile:
        path = str(layout.task.file.file_path)
        stored = self.table.io.new_input(path)
        file = ParquetParts(path, lambda: stored.open(), layout, deleted)
        picked = self.picked[path][1] if self.picked is not None else None
        if picked is None and self.tally is None:
            return file
        size = partial(column_bytes, self.table, layout.task)
        return PickedFile(file, picked, self.tally or Tally(), size)


def within(source: Source, span: TimeRange) -> Source:
    """Only those of a pinned source's rows that lie in a span of time; their times are read to find them."""
    assert isinstance(source, PinnedSource)  # a Parquet file is no table's
    picked = source.picked
    if picked is None:
        picked = {task.file.file_path: (task, None) for task in plan(source.table, source._expression([]))}
    rows = rows_within(replace(source, picked=picked), [span])
    return replace(source, picked={path: (picked[path][0], some) for path, some in rows.items()})


def deleted_rows(table: PinnedTable, tasks: Sequence[FileScanTask]) -> list[Positions]:
    """Of each file the rows that are deleted from it; their delete files are read."""
    deletes = _read_all_delete_files(table.io, tasks)
    return [_positions(deletes.get(task.file.file_path, [])) for task in tasks]


def column_bytes(table: PinnedTable, task: FileScanTask, columns: Sequence[str]) -> int:
    """How many bytes the columns take in a file, as its manifest says; 0 for what it does not say."""
    sizes = task.file.column_sizes or {}
    return sum(sizes.get(one, 0) for one in _leaves(projected(table, columns)))


def _positions(deletes: Sequence[pa.ChunkedArray]) -> Positions:
    if not deletes:
        return np.empty(0, np.int64)
    return np.unique(np.concatenate([one.to_numpy() for one in deletes]).astype(np.int64))


@dataclass(frozen=True)
class _Seen:
    """What files of one schema share: most of a table's do."""

    stored: Schema
    projections: dict[tuple[str, ...], Projection] = field(default_factory=dict)
    """Of columns that stand in the file as they are wanted: the same whatever the file."""


@dataclass(frozen=True)
class _PinnedLayout(Layout):
    """Columns are found by field id: a file may have older names, narrower types, or none."""

    listed_by_bounds = True
    table: PinnedTable
    task: FileScanTask
    seen: dict[bytes, _Seen]
    """By a file's schema."""

    def projection(self, file: pa.Schema, columns: Sequence[str]) -> Projection:
        seen = self._seen(file)
        if tuple(columns) in seen.projections:
            return seen.projections[tuple(columns)]
        wanted = projected(self.table, columns)
        plain = pa.schema([self.table.arrow_schema.field(name) for name in columns])
        stored = seen.stored
        if all(_as_it_stands(field, stored) for field in wanted.fields):
            names = [stored.find_column_name(wanted.find_field(name).field_id) or name for name in columns]
            seen.projections[tuple(columns)] = Projection(names, lambda batch: _renamed(batch, names, plain))
            return seen.projections[tuple(columns)]
        found = prune_columns(stored, _leaves(wanted), select_full_types=False)
        missing = self._partition_values(wanted, stored)

        def convert(batch: pa.RecordBatch) -> pa.RecordBatch:
            converted = _to_requested_schema(
                wanted,
                found,
                batch,
                downcast_ns_timestamp_to_us=self._downcast,
                projected_missing_fields=missing,
                allow_timestamp_tz_mismatch=True,
            )
            return converted.select(plain.names).cast(plain)

        # Where the file has none of the columns, any one tells how many rows there are.
        return Projection([field.name for field in found.fields] or file.names[:1], convert)

    def condition(self, file: pa.Schema, where: Sequence[Predicate]) -> ds.Expression | None:
        if not where:
            return None
        bound = bind(self.table.schema, expression(where, self.table.schema, self.table.pin.table), True)
        stored = self._seen(file).stored
        values = self._partition_values(self.table.schema, stored)
        here = translate_column_names(bound, stored, True, values)
        return expression_to_pyarrow(bind(stored, here, True), stored)

    def newest(self, time_column: str) -> int | None:
        field_id = self.table.schema.find_field(time_column).field_id
        bound = (self.task.file.upper_bounds or {}).get(field_id, b"")
        # All times are stored so; a date, from before the column was widened, is shorter.
        return int.from_bytes(bound, "little", signed=True) if len(bound) == _TIME_BYTES else None

    def _seen(self, file: pa.Schema) -> _Seen:
        key = file.serialize().to_pybytes()
        if key not in self.seen:
            metadata = self.table.metadata
            stored = pyarrow_to_schema(
                file,
                metadata.name_mapping(),
                downcast_ns_timestamp_to_us=self._downcast,
                format_version=metadata.format_version,
            )
            self.seen[key] = _Seen(stored)
        return self.seen[key]

    @property
    def _downcast(self) -> bool:
        return self.table.metadata.format_version <= 2

    def _partition_values(self, wanted: Schema, stored: Schema) -> dict[int, object]:
        spec = self.table.metadata.specs()[self.task.file.spec_id]
        return _get_column_projection_values(
            self.task.file, wanted, self.table.metadata.schema(), spec, stored.field_ids
        )


def _as_it_stands(wanted: NestedField, stored: Schema) -> bool:
    """The file has the column, by whatever name, and in the same type."""
    found = next((field for field in stored.fields if field.field_id == wanted.field_id), None)
    return (
        found is not None
        and isinstance(found.field_type, PrimitiveType)
        and found.field_type == wanted.field_type
    )


def _renamed(batch: pa.RecordBatch, names: Sequence[str], plain: pa.Schema) -> pa.RecordBatch:
    columns = [
        batch.column(name) if batch.column(name).type == field.type else batch.column(name).cast(field.type)
        for name, field in zip(names, plain, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=plain)


def _leaves(schema: Schema) -> set[int]:
    return {one for one in schema.field_ids if not isinstance(schema.find_type(one), ListType | MapType)}
