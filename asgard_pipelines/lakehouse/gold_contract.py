"""What a gold table promises, held against the rows or the schema that would keep it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pyarrow as pa

from asgard_pipelines.declarations import GoldTable, fits
from asgard_pipelines.errors import AsgardError, ColumnNotFound, InvalidSql, TypeMismatch
from asgard_pipelines.lakehouse.column_types import declared_type
from asgard_pipelines.lakehouse.lakehouse import Lakehouse
from asgard_pipelines.lakehouse.pins import Pin

_ARROW = {
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us"),
    "date": pa.date32(),
}


def contract_problems(lakehouse: Lakehouse, table: GoldTable, pin: Pin) -> list[str]:
    """What of the contract a table does not keep at a pin, one sentence each; empty when it keeps all.

    Raises:
        TableNotFound, SnapshotNotFound
    """
    return [problem.message for problem in _problems(table, lakehouse.schema(pin))]


def conform(table: GoldTable, rows: pa.Table) -> pa.Table:
    """`rows` in the declared types, where they fit without loss.

    Raises:
        InvalidSql: a column has no name, or two have one.
        ColumnNotFound, TypeMismatch: the rows do not keep the contract.
    """
    for index, name in enumerate(rows.column_names):
        if name == f"_col{index}":
            raise InvalidSql(f"Column {index + 1} of '{table.table}' has no name: give it one with AS.")
    twice = [name for name, count in Counter(rows.column_names).items() if count > 1]
    if twice:
        raise InvalidSql(f"'{table.table}' has two columns called '{twice[0]}'.", table=table.table)
    for problem in _problems(table, rows.schema):
        raise problem
    kinds = _declared(table)
    return rows.cast(pa.schema([_conformed(field, kinds.get(field.name)) for field in rows.schema]))


def _conformed(field: pa.Field, declared: str | None) -> pa.Field:
    return field if declared is None or declared not in _ARROW else field.with_type(_ARROW[declared])


def _declared(table: GoldTable) -> dict[str, str]:
    return ({table.timestamp: "timestamp"} if table.timestamp else {}) | table.columns


def _problems(table: GoldTable, schema: pa.Schema) -> Iterable[AsgardError]:
    named = [*table.entity, *(column for column in (table.timestamp, table.label) if column)]
    for column in dict.fromkeys([*table.columns, *named]):
        if column not in schema.names:
            yield ColumnNotFound(column, schema.names, table=table.table)
    for column, declared in _declared(table).items():
        if column not in schema.names:
            continue
        found = declared_type(schema.field(column).type)
        if not fits(found, declared):
            yield TypeMismatch(
                f"Column '{column}' of '{table.table}' is declared {declared}, and is {found}: "
                f"cast it in the SELECT, or declare {found}.",
                table=table.table,
                column=column,
                declared=declared,
                found=found,
            )
