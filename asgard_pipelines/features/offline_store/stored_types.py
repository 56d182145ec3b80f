"""Rows in the types that their place has: what pandas made 64 bits wide need not widen a table."""

from __future__ import annotations

import pyarrow as pa

from asgard_pipelines.errors import TypeMismatch
from asgard_pipelines.features.kinds import same_kind


def narrowed(rows: pa.Table, stored: pa.Schema) -> pa.Table:
    """The columns of `stored`, each in its type where that holds every value exactly, else as it came."""
    return pa.table({field.name: _narrowed(rows[field.name], field.type) for field in stored})


def wide_enough(rows: pa.Table, stored: pa.Schema) -> pa.Schema:
    """`stored`, with numbers as wide as the rows, which `narrowed` gave, need them.

    Raises:
        TypeMismatch: a column of another kind.
    """
    fields = []
    for field in stored:
        given = rows.schema.field(field.name).type
        if given != field.type and not (_is_number(given) and _is_number(field.type)):
            raise TypeMismatch(
                f"Column '{field.name}' is {field.type} where the rows go, which cannot hold their {given}.",
                column=field.name,
                declared=str(field.type),
                found=str(given),
            )
        fields.append(field.with_type(given))
    return pa.schema(fields)


def _narrowed(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_decimal(kind) and pa.types.is_floating(column.type):
        return _as_decimals(column, kind)
    nested = pa.types.is_nested(column.type) and pa.types.is_nested(kind)
    if not (nested or pa.types.is_null(column.type) or same_kind(column.type, kind)):
        return column  # Arrow would read '1' as 1
    try:
        cast = column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # too great, or of other parts
        return column
    loses = (pa.types.is_floating(kind) and _is_number(column.type)) or (
        pa.types.is_date(kind) and pa.types.is_timestamp(column.type)
    )  # and Arrow does not say so
    return column if loses and not cast.cast(column.type).equals(column) else cast


def _as_decimals(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """A view reads decimals as the nearest doubles: they become the decimals again that they were."""
    try:
        return column.cast(pa.string()).cast(kind)
    except pa.ArrowInvalid:  # not finite, or of more digits
        return column


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
