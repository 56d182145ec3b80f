"""Entities' keys and times as they are sent in JSON, as the rows that a join takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pyarrow as pa

from asgard_pipelines.declarations import Declarations
from asgard_pipelines.errors import ColumnNotFound, Invalid, TypeMismatch
from asgard_pipelines.features.given_values import given_key, given_time
from asgard_pipelines.features.kinds import arrow_type

_FEW = 100


def entity_rows(declarations: Declarations, columns: Mapping[str, Sequence[Any]], timestamp: str) -> pa.Table:
    """The columns under their names, each entity's in its declared type (also under the entity's own name),
    `timestamp` as UTC (a naive time is UTC); others in the type of their values.

    Raises:
        ColumnNotFound: there is no `timestamp`.
        Invalid: no rows, columns of several lengths, or a column of several kinds.
        TypeMismatch: a value that is no key of its entity, or no time.
    """
    if timestamp not in columns:
        raise ColumnNotFound(timestamp, columns, table="entity_df")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) != 1 or not lengths[timestamp]:
        raise Invalid(
            "The columns of `entity_df` have to be of one length, and of one row at least; they are: "
            f"{', '.join(f'{name[:100]}: {length}' for name, length in list(lengths.items())[:_FEW])}.",
            field="entity_df",
        )
    kinds = {one.name: one.dtype for one in declarations.entities}
    kinds |= {one.join_key: one.dtype for one in declarations.entities}
    made = {}
    for name, values in columns.items():
        if name == timestamp:
            made[name] = pa.array([_instant(name, value) for value in values], pa.timestamp("us", "UTC"))
        elif name in kinds:
            made[name] = pa.array(
                [key(name, value, kinds[name]) for value in values], arrow_type(kinds[name])
            )
        else:
            made[name] = _inferred(name, values)
    return pa.table(made)


def key(name: str, value: Any, dtype: str) -> Any:
    """A value as a key of an entity of that type; None stays. Raises TypeMismatch."""
    if value is None:
        return None
    if dtype in ("string", "int32", "int64"):
        with suppress(ValueError, TypeError, OverflowError):  # told below
            return given_key(value, dtype)
    if dtype == "timestamp" and isinstance(value, str):
        return _instant(name, value)
    if type(value) is {"bool": bool, "float64": float, "float32": float}.get(dtype):
        return value
    raise TypeMismatch(
        f"Entity '{name}' is {dtype}, and {str(value)[:100]!r} is none.", entity=name, declared=dtype
    )


def _instant(column: str, value: Any) -> int:
    """Microseconds since 1970, UTC. Raises TypeMismatch."""
    try:
        return given_time(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeMismatch(
            f"'{column}' holds {str(value)[:100]!r}, which is no time such as 2025-01-31T12:00:00Z.",
            column=column,
            declared="timestamp",
        ) from None


def _inferred(column: str, values: Sequence[Any]) -> pa.Array:
    kinds = {float if type(value) is int else type(value) for value in values if value is not None}
    if len(kinds) > 1:
        told = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise Invalid(
            f"Column '{column}' of `entity_df` holds values of several kinds: {told}.", column=column
        )
    try:
        return pa.array(values) if kinds else pa.nulls(len(values), pa.string())
    except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):
        raise TypeMismatch(f"Column '{column}' of `entity_df` holds a number that no column can.") from None
