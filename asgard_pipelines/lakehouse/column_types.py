"""One vocabulary of column types over Iceberg's, Arrow's and SQL's.

Arrow tables that leave the lakehouse hold plain types: `string`, `list`, and every timestamp as
`timestamp[us]` without a zone, which means UTC.
"""

from __future__ import annotations

import pyarrow as pa
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema
from sqlglot import exp

from asgard_pipelines.errors import TypeMismatch
from asgard_pipelines.settings import CATALOG

_DECLARED = {
    pa.int8(): "int32",
    pa.int16(): "int32",
    pa.int32(): "int32",
    pa.int64(): "int64",
    pa.float32(): "float32",
    pa.float64(): "float64",
    pa.string(): "string",
    pa.bool_(): "bool",
    pa.date32(): "date",
    pa.binary(): "binary",
    pa.timestamp("us"): "timestamp",
}

_SQL = {
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "REAL",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
    pa.binary(): "VARBINARY",
    pa.timestamp("us"): "TIMESTAMP",
    pa.time64("us"): "TIME",
}

_STORED = {
    pa.int8(): pa.int32(),
    pa.int16(): pa.int32(),
    pa.uint8(): pa.int32(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.float16(): pa.float32(),
    pa.date64(): pa.timestamp("us"),
    pa.time32("s"): pa.time64("us"),
    pa.time32("ms"): pa.time64("us"),
}


def plain(kind: pa.DataType) -> pa.DataType:
    """The plain type that holds the same values."""
    if pa.types.is_dictionary(kind):
        return plain(kind.value_type)
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us")
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_map(kind):
        return pa.map_(plain(kind.key_type), plain(kind.item_type))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, plain(field.type)) for field in kind])
    return kind


def arrow_schema(schema: Schema) -> pa.Schema:
    """The plain Arrow schema of an Iceberg schema."""
    stored = schema_to_pyarrow(schema, include_field_ids=False)
    return pa.schema([pa.field(field.name, plain(field.type)) for field in stored])


def stored(name: str, kind: pa.DataType) -> pa.DataType:
    """The plain type in which a column of Arrow type `kind` is stored.

    Raises:
        TypeMismatch: no Iceberg type holds all of its values.
    """
    kind = plain(kind)
    kind = _STORED.get(kind, kind)
    if pa.types.is_null(kind) or pa.types.is_uint64(kind) or pa.types.is_duration(kind):
        raise TypeMismatch(
            f"Column '{name}' has Arrow type {kind}, which no table can hold: cast it first.",
            column=name,
            found=str(kind),
        )
    if pa.types.is_list(kind):
        return pa.list_(stored(name, kind.value_type))
    return kind


def declared_type(kind: pa.DataType) -> str:
    """As declarations write it: `int64`, `timestamp`, `array<string>`; others as Arrow writes them."""
    kind = plain(kind)
    if pa.types.is_list(kind):
        return f"array<{declared_type(kind.value_type)}>"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision}, {kind.scale})"
    return _DECLARED.get(kind, str(kind))


def sql_type(kind: pa.DataType) -> str:
    """As Trino writes it."""
    kind = plain(kind)
    if pa.types.is_list(kind):
        return f"ARRAY({sql_type(kind.value_type)})"
    if pa.types.is_map(kind):
        return f"MAP({sql_type(kind.key_type)}, {sql_type(kind.item_type)})"
    if pa.types.is_struct(kind):
        fields = ", ".join(f'"{f.name}" {sql_type(f.type)}' for f in kind)
        return f"ROW({fields})"
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    return _SQL.get(kind, "VARCHAR")


def added_column(table: str, column: str, declared: str) -> str:
    """The statement (Trino's dialect) that would add a column of a declared type to `schema.table`."""
    kinds = {name: kind for kind, name in _DECLARED.items()}
    inner = declared.removeprefix("array<").removesuffix(">")
    written = sql_type(pa.list_(kinds[inner]) if inner != declared else kinds[inner])
    name = exp.to_identifier(column, quoted=not column.isidentifier()).sql("trino")
    return f"ALTER TABLE {exp.to_table(f'{CATALOG}.{table}').sql('trino')} ADD COLUMN {name} {written}"
