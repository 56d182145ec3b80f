"""Parquet files as a `Source`. Nothing pins them: who reads them twice reads what stands there then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs
import pyarrow.parquet as pq

from asgard_pipelines.errors import ColumnNotFound, Invalid, TypeMismatch
from asgard_pipelines.lakehouse.column_types import plain
from asgard_pipelines.lakehouse.filters import instant
from asgard_pipelines.lakehouse.parquet_parts import Layout, ParquetParts, Projection
from asgard_pipelines.lakehouse.pins import AnyOf, Between, OneOf, Pin, Predicate, TimeRange
from asgard_pipelines.lakehouse.sources import DataFile


@dataclass(frozen=True)
class ParquetSource:
    """Files of one schema; see `parquet_source`."""

    location: str
    filesystem: pyarrow.fs.FileSystem
    paths: Sequence[str]
    schema: pa.Schema

    @property
    def pin(self) -> Pin:
        return Pin(self.location, None)

    def files(self, where: Sequence[Predicate]) -> list[DataFile]:
        layout = _PlainLayout(self.location, self.schema)
        for predicate in where:
            layout.expression(predicate)
        return [
            ParquetParts(path, partial(self.filesystem.open_input_file, path), layout) for path in self.paths
        ]


def parquet_source(location: str) -> ParquetSource:
    """A Parquet file, or all of a folder (its subfolders too), at a path or an address such as `s3://…`.

    Raises:
        Invalid: there is no such file, none in the folder, or it is not Parquet.
    """
    filesystem, root = pyarrow.fs.FileSystem.from_uri(location)
    info = filesystem.get_file_info(root)
    paths = [root] if info.is_file else []
    if info.type == pyarrow.fs.FileType.Directory:
        below = filesystem.get_file_info(pyarrow.fs.FileSelector(root, recursive=True))
        paths = sorted(one.path for one in below if one.is_file and one.extension == "parquet")
    if not paths:
        raise Invalid(f"There is no Parquet file at '{location}'.", path=location)
    try:
        stored = pq.read_schema(paths[0], filesystem=filesystem)
    except pa.ArrowInvalid as error:
        raise Invalid(f"'{location}' is not Parquet: {error}.", path=location) from None
    schema = pa.schema([pa.field(field.name, plain(field.type)) for field in stored])
    return ParquetSource(location, filesystem, paths, schema)


@dataclass(frozen=True)
class _PlainLayout(Layout):
    location: str
    schema: pa.Schema

    def projection(self, file: pa.Schema, columns: Sequence[str]) -> Projection:
        for column in columns:
            if column not in self.schema.names:
                raise ColumnNotFound(column, self.schema.names, table=self.location)
        wanted = pa.schema([self.schema.field(column) for column in columns])
        there = [column for column in columns if column in file.names]

        def convert(batch: pa.RecordBatch) -> pa.RecordBatch:
            arrays = [
                _converted(batch.column(field.name), field.type)
                if field.name in there
                else pa.nulls(batch.num_rows, field.type)
                for field in wanted
            ]
            return pa.RecordBatch.from_arrays(arrays, schema=wanted)

        return Projection(there or file.names[:1], convert)

    def condition(self, file: pa.Schema, where: Sequence[Predicate]) -> ds.Expression | None:
        result = None
        for predicate in where:
            if isinstance(predicate, AnyOf) or predicate.column not in file.names:
                continue  # less is left out, nothing too much
            kind = file.field(predicate.column).type
            if pa.types.is_dictionary(kind) or pa.types.is_string_view(kind):
                continue  # Arrow compares none of these
            one = self.expression(predicate, kind)
            result = one if result is None else result & one
        return result

    def expression(self, predicate: Predicate, kind: pa.DataType | None = None) -> ds.Expression:
        """Raises ColumnNotFound, TypeMismatch."""
        if isinstance(predicate, AnyOf):
            result = pc.scalar(False)
            for one in predicate.predicates:
                result = result | self.expression(one)
            return result
        if predicate.column not in self.schema.names:
            raise ColumnNotFound(predicate.column, self.schema.names, table=self.location)
        kind = kind or self.schema.field(predicate.column).type
        column = pc.field(predicate.column)
        if isinstance(predicate, OneOf):
            values = [_value(value, kind) for value in predicate.values]
            return column.isin(pa.array([value for value in values if _fits(value, kind)], kind))
        if isinstance(predicate, Between):
            result = pc.scalar(True)  # an edge beyond the file's type bounds nothing
            if _fits(predicate.low, kind):
                result = result & (column >= pa.scalar(predicate.low, kind))
            if _fits(predicate.high, kind):
                result = result & (column <= pa.scalar(predicate.high, kind))
            return result
        return self._range(predicate, column, kind)

    def _range(self, predicate: TimeRange, column: ds.Expression, kind: pa.DataType) -> ds.Expression:
        if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
            raise TypeMismatch(
                f"Column '{predicate.column}' of '{self.location}' is {kind}: a time range needs a timestamp "
                "or a date.",
                column=predicate.column,
                table=self.location,
                found=str(kind),
            )
        if pa.types.is_date(kind):
            kind = pa.timestamp("us")
            column = column.cast(kind)
        result = pc.scalar(True)
        if predicate.start is not None:
            result = result & (column >= pa.scalar(_value(predicate.start, kind), kind))
        if predicate.end is not None:
            result = result & (column < pa.scalar(_value(predicate.end, kind), kind))
        return result


def _value(value: Any, kind: pa.DataType) -> Any:
    if not isinstance(value, datetime):
        return value
    aware = instant(value)
    return aware if getattr(kind, "tz", None) else aware.astimezone(UTC).replace(tzinfo=None)


def _fits(value: Any, kind: pa.DataType) -> bool:
    try:
        pa.scalar(value, kind)
    except (pa.ArrowInvalid, OverflowError):
        return False
    return True


def _converted(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """In the plain type; nanoseconds are rounded down, so that no row moves into the future."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        whole = pc.floor_temporal(column, 1, "microsecond")
        return whole.cast(pa.timestamp("us", column.type.tz)).cast(kind)
    return column.cast(kind)
