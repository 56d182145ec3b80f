"""Columns of values as the bytes of Feast's `Value` messages, a column at a time.

Feast keeps whole seconds of a timestamp, and no nulls in arrays. What it has no place for stands beside the
value, in fields of the message that Feast does not know and so passes over: a reader of ours gives back
exactly what was written, and Feast's gives the seconds, and 0 or "" in the place of a null.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bytes = npt.NDArray[np.uint8]

FIELD = {
    "string": 2,
    "int32": 3,
    "int64": 4,
    "float64": 5,
    "float32": 6,
    "bool": 7,
    "timestamp": 8,
    "array<string>": 12,
    "array<int32>": 13,
    "array<int64>": 14,
    "array<float64>": 15,
    "array<float32>": 16,
    "array<bool>": 17,
    "array<timestamp>": 18,
}
"""Declared type -> the field of `feast.types.Value` that holds it."""
MICROS, NULLS, ARRAY_MICROS = 1000, 1001, 1002
"""Ours: a timestamp's microseconds past its second; of an array the places of its nulls, and its timestamps'
microseconds, each as little-endian 32-bit numbers."""
_EMPTY = pa.scalar(b"", pa.binary())
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def tag(field: int, wire: int) -> bytes:
    return varint(field << 3 | wire)


def varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)


def encoded_values(column: pa.Array | pa.ChunkedArray, dtype: str) -> pa.Array:
    """
    Args:
        column: of exactly `kinds.arrow_type(dtype)`.

    Returns:
        Binary, without nulls: a null value is the empty message, as Feast writes it.
    """
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    valid = whole.is_valid().to_numpy(zero_copy_only=False)
    if dtype.startswith("array<"):
        return _arrays(whole, dtype, valid)
    if dtype == "string":
        return _lengthened(tag(FIELD[dtype], _LENGTH), whole.fill_null("").cast(pa.binary()), valid)
    if dtype == "timestamp":
        seconds, micros = _split(whole)
        parts = [
            varints_joined(tag(FIELD[dtype], _VARINT), seconds, valid),
            varints_joined(tag(MICROS, _VARINT), micros, valid),
        ]
        return pc.binary_join_element_wise(*parts, _EMPTY)
    return _scalars(_numbers(whole), dtype, tag(FIELD[dtype], _wire(dtype)), valid)


def _wire(dtype: str) -> int:
    return {"float64": _FIXED64, "float32": _FIXED32}.get(dtype, _VARINT)


def _numbers(column: pa.Array) -> npt.NDArray[Any]:
    filled = (
        column.fill_null(False if pa.types.is_boolean(column.type) else 0) if column.null_count else column
    )
    numbers: npt.NDArray[Any] = filled.to_numpy(zero_copy_only=False)
    return numbers


def _split(times: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Whole seconds, rounded down, and the microseconds past them."""
    return np.divmod(_numbers(times.cast(pa.int64())), 1_000_000)


def _scalars(numbers: npt.NDArray[Any], dtype: str, before: bytes, valid: npt.NDArray[np.bool_]) -> pa.Array:
    if dtype in ("float64", "float32"):
        width = len(before) + numbers.itemsize
        made = np.empty((int(valid.sum()), width), np.uint8)
        made[:, : len(before)] = np.frombuffer(before, np.uint8)
        chosen = np.ascontiguousarray(numbers[valid].astype("<f8" if dtype == "float64" else "<f4"))
        made[:, len(before) :] = chosen.view(np.uint8).reshape(len(made), numbers.itemsize)
        return _binary(np.where(valid, width, 0), made)
    return varints_joined(before, numbers, valid)


def varints_joined(before: bytes, numbers: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> pa.Array:
    """Each number after `before`; nothing for one that is not valid. Negative ones take ten bytes."""
    left = numbers[valid].astype(np.int64).view(np.uint64)
    lengths = np.full(len(left), len(before) + 1, np.int64)
    for byte in range(1, 10):
        more = left >= np.uint64(1 << 7 * byte)
        if not more.any():
            break
        lengths += more
    starts = np.cumsum(lengths) - lengths
    made = np.empty(int(lengths.sum()), np.uint8)
    for place, byte in enumerate(before):
        made[starts + place] = byte
    at = starts + len(before)
    while len(left):
        more = left > 127
        made[at] = (left & np.uint64(127)).astype(np.uint8) | (more.astype(np.uint8) << 7)
        at, left = at[more] + 1, left[more] >> np.uint64(7)
    of_each = np.zeros(len(valid), np.int64)
    of_each[valid] = lengths
    return _binary(of_each, made)


def _binary(lengths: npt.NDArray[np.int64], data: Bytes) -> pa.Array:
    return pa.BinaryArray.from_buffers(
        pa.binary(),
        len(lengths),
        [None, pa.py_buffer(_offsets(lengths)), pa.py_buffer(np.ascontiguousarray(data))],
    )


def _offsets(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    made = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=made[1:])
    return made


def _lengthened(before: bytes, data: pa.Array, valid: npt.NDArray[np.bool_]) -> pa.Array:
    """Each piece of data after `before` and its length; nothing for one that is not valid."""
    lengths = pc.binary_length(data).to_numpy(zero_copy_only=False)
    return pc.binary_join_element_wise(varints_joined(before, lengths, valid), data, _EMPTY)


def _arrays(column: pa.Array, dtype: str, valid: npt.NDArray[np.bool_]) -> pa.Array:
    item = dtype[6:-1]
    counts = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    items, ends = column.flatten(), _offsets(counts)
    every = np.ones(len(items), dtype=bool)
    micros = None
    if item == "string":
        made = _lengthened(b"\x0a", items.fill_null("").cast(pa.binary()), every)
    elif item == "timestamp":
        seconds, micros = _split(items)
        made = varints_joined(b"", seconds, every)
    else:
        made = _scalars(_numbers(items), item, b"", every)
    inner = _regrouped(made, ends)
    if item != "string":
        inner = _lengthened(b"\x0a", inner, pc.binary_length(inner).to_numpy(zero_copy_only=False) > 0)
    values = _lengthened(tag(FIELD[dtype], _LENGTH), inner, valid)
    if micros is not None:
        data = np.ascontiguousarray(micros.astype("<u4")).view(np.uint8)
        beside = _lengthened(tag(ARRAY_MICROS, _LENGTH), _binary(counts * 4, data), valid)
        values = pc.binary_join_element_wise(values, beside, _EMPTY)
    return _with_nulls(values, items, ends) if items.null_count else values


def _regrouped(items: pa.Array, ends: npt.NDArray[np.int32]) -> pa.Array:
    """The items of each list in one piece: they stand side by side already."""
    offsets = np.frombuffer(items.buffers()[1], np.int32)[: len(items) + 1]
    data = items.buffers()[2] or pa.py_buffer(b"")
    return pa.BinaryArray.from_buffers(pa.binary(), len(ends) - 1, [None, pa.py_buffer(offsets[ends]), data])


def _with_nulls(values: pa.Array, items: pa.Array, ends: npt.NDArray[np.int32]) -> pa.Array:
    """Rare, and so done a value at a time."""
    missing = np.flatnonzero(items.is_null().to_numpy(zero_copy_only=False))
    made = values.to_pylist()
    owners = np.searchsorted(ends, missing, side="right") - 1
    for owner in np.unique(owners):
        places = (missing[owners == owner] - ends[owner]).tolist()
        packed = struct.pack(f"<{len(places)}I", *places)
        made[owner] += tag(NULLS, _LENGTH) + varint(len(packed)) + packed
    return pa.array(made, pa.binary())
