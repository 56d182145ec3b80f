"""Rows from outside into an external table: fitted to its contract, landed once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from asgard_pipelines.errors import ColumnNotFound, Invalid, TypeMismatch, Unsupported

if TYPE_CHECKING:
    from asgard_pipelines.declarations import Declarations, GoldTable
    from asgard_pipelines.lakehouse import Commit, Lakehouse

_ARROW: Mapping[str, pa.DataType] = {
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us"),
}
_TRANSFORMS = {"monthly": "month", "daily": "day"}


def external_table(declarations: Declarations, name: str) -> GoldTable:
    """The declared external table that `name` (`t`, `gold.t` or `iceberg.gold.t`) means.

    Raises:
        Invalid: no such declaration, or Asgard builds the table itself.
    """
    from asgard_pipelines.errors import did_you_mean

    plain = name.removeprefix("iceberg.")
    external = [table.table for table in declarations.gold if table.external]
    found = next((t for t in declarations.gold if plain in (t.table, t.name)), None)
    if found is None:
        raise Invalid(
            f"No table '{name}' is declared.{did_you_mean(plain, external)} "
            f"Rows land in external tables: {', '.join(external) or 'none is declared'}.",
            table=name,
            external_tables=external,
        )
    if not found.external:
        raise Invalid(
            f"'{found.table}' is built by Asgard from {', '.join(found.reads)}: land rows there instead.",
            table=found.table,
            external_tables=external,
        )
    return found


def column_types(lakehouse: Lakehouse, declared: GoldTable) -> dict[str, pa.DataType]:
    """The types that rows are fitted to: those of the table, and until it exists the declared ones."""
    types = {name: _ARROW[kind] for name, kind in declared.columns.items() if kind in _ARROW}
    if lakehouse.exists(declared.table):
        types |= {field.name: field.type for field in lakehouse.schema(lakehouse.pin(declared.table))}
    return types


def read_rows(path: Path, types: Mapping[str, pa.DataType]) -> pa.Table:
    """The rows of a CSV or Parquet file, text read as `types` where it names the column.

    Raises:
        Unsupported: the file is neither.
        Invalid: it is not there, or cannot be read.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise Unsupported(f"'{path}' is neither .csv nor .parquet.", file=str(path))
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet as parquet

            return parquet.read_table(path)
        import pyarrow.csv as csv

        return csv.read_csv(
            path, convert_options=csv.ConvertOptions(column_types=types, strings_can_be_null=True)
        )
    except (OSError, pa.ArrowInvalid) as error:
        raise Invalid(f"'{path}' cannot be read: {error}.", file=str(path)) from None


def fitted(rows: pa.Table, declared: GoldTable, types: Mapping[str, pa.DataType]) -> pa.Table:
    """`rows` in `types`; a column without one stays as it is, but every time becomes a naive UTC one
    in microseconds. A decimal stays a decimal where a float is wanted: sums of it are exact.

    Raises:
        ColumnNotFound: a declared column is missing.
        TypeMismatch: values do not fit their type.
    """
    for name in declared.columns:
        if name not in rows.column_names:
            raise ColumnNotFound(name, rows.column_names, table=declared.table)
    for index, name in enumerate(rows.column_names):
        column = _utc(rows.column(index))
        wanted = types.get(name, column.type)
        if not (pa.types.is_decimal(column.type) and pa.types.is_floating(wanted)):
            try:
                column = column.cast(wanted)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise TypeMismatch(
                    f"Column '{name}' of '{declared.table}' holds {wanted}; these do not fit: {error}.",
                    table=declared.table,
                    column=name,
                ) from None
        rows = rows.set_column(index, name, column)
    return rows


def land_rows(
    lakehouse: Lakehouse, declared: GoldTable, rows: pa.Table, *, key: str, properties: Mapping[str, str]
) -> Commit:
    """Appends rows, fitted, as one snapshot; does nothing if `key` has landed already."""
    column = declared.timestamp or (declared.watermark.column if declared.watermark else None)
    partition_by = f"{_TRANSFORMS[declared.partition]}({column})" if declared.partition and column else None
    fit = fitted(rows, declared, column_types(lakehouse, declared))
    return lakehouse.append(declared.table, fit, key=key, properties=properties, partition_by=partition_by)


def content_key(path: Path) -> str:
    """The same file, whatever it is called, has the same key."""
    with path.open("rb") as file:
        return f"file:{hashlib.file_digest(file, 'sha256').hexdigest()[:32]}"


def _utc(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Arrow keeps zoned times in UTC: dropping the zone keeps the instant. Below microseconds is cut off."""
    if not pa.types.is_timestamp(column.type):
        return column
    if column.type.tz is not None:
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    return column.cast(pa.timestamp("us"), safe=False)
