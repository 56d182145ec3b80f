"""Column types: declared ones as Arrow's, times as microseconds, casts that lose nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.declarations import Feature
from asgard_pipelines.errors import TypeMismatch, did_you_mean

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_ARROW = {
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us"),
}
_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}


def arrow_type(dtype: str) -> pa.DataType:
    """Raises TypeMismatch for a type that cannot be declared."""
    if dtype.startswith("array<") and dtype.endswith(">"):
        return pa.list_(arrow_type(dtype[6:-1]))
    if dtype not in _ARROW:
        raise TypeMismatch(f"There is no type '{dtype}'.{did_you_mean(dtype, _ARROW)}", declared=dtype)
    return _ARROW[dtype]


def is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    )


def decoded(table: pa.Table) -> pa.Table:
    """The same values, no column a dictionary or a view, as pandas' categories and Polars' text are."""
    return table.cast(pa.schema([pa.field(field.name, _decoded(field.type)) for field in table.schema]))


def _decoded(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _decoded(kind.value_type)
    if pa.types.is_string_view(kind):
        return pa.large_string()
    return pa.large_binary() if pa.types.is_binary_view(kind) else kind


def is_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


_KINDS = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_list,
    is_string,
    is_binary,
    is_time,
)


def same_kind(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether values may be compared or converted: '1' is not 1, and 1 is not true."""
    return one == other or any(kind(one) and kind(other) for kind in _KINDS)


def instants(column: pa.ChunkedArray) -> tuple[Ints, Bools]:
    """Microseconds since 1970 (UTC; a naive time is UTC, a date its midnight), and which are not null.

    Nanoseconds are rounded down, so that nothing moves into the future.

    Raises:
        TypeMismatch: the column holds no times.
    """
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("us"))
    if not pa.types.is_timestamp(column.type):
        raise TypeMismatch(f"A time is needed, and the column holds {column.type}.", found=str(column.type))
    stored = column.cast(pa.int64())
    raw = numbers(stored.fill_null(0) if stored.null_count else stored)
    present = numbers(column.is_valid()).astype(bool) if stored.null_count else np.ones(len(raw), dtype=bool)
    unit = column.type.unit
    if unit == "us":
        return raw, present
    return (raw // 1_000 if unit == "ns" else raw * _UNITS[unit]), present


def check_kind(kind: pa.DataType, feature: Feature) -> None:
    """Raises TypeMismatch: values of type `kind` cannot become the feature's, whatever they are."""
    wanted = arrow_type(feature.dtype)
    if not (same_kind(kind, wanted) or _as_float(kind, wanted) or pa.types.is_null(kind)):
        raise TypeMismatch(
            f"'{feature.name}' is declared {feature.dtype}, and column '{feature.column}' holds {kind}.",
            column=feature.column,
            declared=feature.dtype,
            found=str(kind),
        )


def cast(column: pa.ChunkedArray, feature: Feature) -> pa.ChunkedArray:
    """The column in the feature's declared type.

    Raises:
        TypeMismatch: another kind, or values that do not fit.
    """
    wanted = arrow_type(feature.dtype)
    if column.null_count < len(column):
        check_kind(column.type, feature)
    if pa.types.is_timestamp(wanted) and is_time(column.type):
        raw, present = instants(column)
        return pa.chunked_array([pa.array(raw, mask=~present).cast(wanted)])
    if _as_float(column.type, wanted):
        # Arrow divides, and makes 14.790000000000001 of 14.79; read as text it is the nearest double.
        column = column.cast(pa.string())
    try:
        return pc.cast(column, wanted)
    except pa.ArrowInvalid as error:
        text = f"'{feature.name}' does not fit {feature.dtype}: {error}."
        raise TypeMismatch(text, column=feature.column, declared=feature.dtype) from None


def _as_float(kind: pa.DataType, wanted: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(kind) and pa.types.is_floating(wanted))


def numbers(column: pa.Array | pa.ChunkedArray) -> Ints:
    """A column without nulls as numpy's 64-bit integers; booleans as 0 and 1."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    array: npt.NDArray[np.generic] = whole.to_numpy(zero_copy_only=False)
    return array.astype(np.int64, copy=False)
