"""Fitting rows to a table: new columns, lossless widening, and the casts that follow from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema
from pyiceberg.table import Transaction

from asgard_pipelines.errors import TypeMismatch
from asgard_pipelines.lakehouse.column_types import arrow_schema, declared_type, stored

_WIDENS = {
    (pa.int32(), pa.int64()),
    (pa.float32(), pa.float64()),
    (pa.date32(), pa.timestamp("us")),
}
_TABLE_WIDENS = {(pa.int32(), pa.int64()), (pa.float32(), pa.float64())}
"""Widenings of a table's own column, which Iceberg does without rewriting a file."""


@dataclass(frozen=True)
class Fit:
    """What a table needs before rows of `schema` can be written: columns to add and to widen."""

    add: dict[str, pa.DataType]
    widen: dict[str, pa.DataType]


def stored_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of a new table for such rows. Raises TypeMismatch."""
    return pa.schema([pa.field(field.name, stored(field.name, field.type)) for field in schema])


def fit(table: str, held: Schema, rows: pa.Schema) -> Fit:
    """How `rows` fit into `held`.

    Raises:
        TypeMismatch: a column changes its kind, or two names differ only in case.
    """
    columns = arrow_schema(held)
    required = {field.name for field in held.fields if field.required}
    folded = {name.lower(): name for name in columns.names}
    add, widen = {}, {}
    for field in rows:
        if field.name not in columns.names:
            if field.name.lower() in folded:
                raise TypeMismatch(
                    f"Column '{field.name}' of the rows differs only in case from "
                    f"'{folded[field.name.lower()]}' of '{table}'.",
                    table=table,
                    column=field.name,
                )
            add[field.name] = stored(field.name, field.type)
            continue
        kept = columns.field(field.name).type
        if pa.types.is_null(field.type):
            continue
        given = stored(field.name, field.type)
        if _holds(kept, given):
            continue
        if not _can_hold(kept, given):
            raise _mismatch(table, field.name, kept, given)
        widen[field.name] = given
    missing = required - set(rows.names)
    if missing:
        raise TypeMismatch(
            f"Column '{min(missing)}' of '{table}' is required, and the rows do not have it.",
            table=table,
            column=min(missing),
        )
    return Fit(add, widen)


def _holds(kept: pa.DataType, given: pa.DataType) -> bool:
    return bool(given == kept or _fits(given, kept))


def _can_hold(kept: pa.DataType, given: pa.DataType) -> bool:
    """Whether a table's column does once it is widened."""
    return _holds(kept, given) or (kept, given) in _TABLE_WIDENS or _wider_decimal(kept, given)


def shed(transaction: Transaction, rows: pa.Schema) -> None:
    """Stage the end of the table's columns that such rows lack, or have in another kind. Older snapshots
    keep them, and one that comes back under its name is another column."""
    columns = arrow_schema(transaction.table_metadata.schema())
    kinds = {field.name: stored(field.name, field.type) for field in rows}
    others = [field.name for field in columns if not _can_hold(field.type, kinds.get(field.name, pa.null()))]
    if others:
        with transaction.update_schema() as update:
            for name in others:
                update.delete_column(name)


def evolve(transaction: Transaction, fitted: Fit) -> None:
    """Stage the table's new and widened columns."""
    if not fitted.add and not fitted.widen:
        return
    wanted = pa.schema([pa.field(name, kind) for name, kind in (fitted.add | fitted.widen).items()])
    with transaction.update_schema() as update:
        update.union_by_name(wanted)


def cast(table: str, held: Schema, rows: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """The rows in exactly the table's columns and order; columns they lack are null.

    Raises (while read):
        TypeMismatch: a value that the table's type cannot hold, or a null where none may be.
    """
    target = schema_to_pyarrow(held, include_field_ids=False)

    def generate() -> Iterator[pa.RecordBatch]:
        for batch in rows:
            yield pa.RecordBatch.from_arrays(
                [_column(table, batch, field) for field in target], schema=target
            )

    return pa.RecordBatchReader.from_batches(target, generate())


def _column(table: str, batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
    if field.name not in batch.schema.names:
        return pa.nulls(batch.num_rows, field.type)
    values = batch.column(field.name)
    if values.null_count and not field.nullable:
        raise TypeMismatch(
            f"Column '{field.name}' of '{table}' is required, and the rows hold nulls.", column=field.name
        )
    try:
        return _cast(values, field.type)
    except pa.ArrowInvalid as error:
        raise TypeMismatch(
            f"Column '{field.name}' of '{table}' is {declared_type(field.type)}: {error}.",
            table=table,
            column=field.name,
        ) from error


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """A map is cast part by part: Arrow's own cast of a map aborts the process when its keys carry a
    validity bitmap, as those that `take` or a file reader gave do."""
    if not pa.types.is_map(kind) or not pa.types.is_map(values.type):
        return values.cast(kind)
    return pa.MapArray.from_arrays(
        pa.concat_arrays([values.offsets]),  # with a mask, offsets must not be a slice
        values.keys.cast(kind.key_type),
        values.items.cast(kind.item_type),
        type=kind,
        mask=values.is_null() if values.null_count else None,
    )


def _fits(given: pa.DataType, kept: pa.DataType) -> bool:
    return (given, kept) in _WIDENS or (
        pa.types.is_decimal(given) and (kept == pa.float64() or _wider_decimal(given, kept))
    )


def _wider_decimal(narrow: pa.DataType, wide: pa.DataType) -> bool:
    if not pa.types.is_decimal(narrow) or not pa.types.is_decimal(wide):
        return False
    return bool(narrow.scale == wide.scale and narrow.precision <= wide.precision)


def _mismatch(table: str, column: str, kept: pa.DataType, given: pa.DataType) -> TypeMismatch:
    declared, found = declared_type(kept), declared_type(given)
    return TypeMismatch(
        f"Column '{column}' of '{table}' is {declared}, and the rows hold {found}: "
        f"cast it to {declared}, or give the column another name.",
        table=table,
        column=column,
        declared=declared,
        found=found,
    )
