"""A few values as the bytes of Feast's `Value` messages, one at a time: quicker, when they are few."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from asgard_pipelines.features.kinds import arrow_type
from asgard_pipelines.features.online.value_bytes import FIELD, MICROS, encoded_values, tag, varint

FEW = 32
_LOW = (1 << 64) - 1
_FLOATS = {"float64": struct.Struct("<Bd"), "float32": struct.Struct("<Bf")}


def few_encoded(column: pa.ChunkedArray, dtype: str) -> list[bytes]:
    """As `encoded_values`."""
    if dtype not in _ENCODERS:
        made: list[bytes] = encoded_values(column, dtype).to_pylist()
        return made
    values = (column.cast(pa.int64()) if dtype == "timestamp" else column).to_pylist()
    return plain_encoded(values, dtype)


def plain_encoded(values: Sequence[Any], dtype: str) -> list[bytes]:
    """Of Python's values; a time is one in microseconds since 1970 (UTC)."""
    if dtype not in _ENCODERS:
        made: list[bytes] = encoded_values(pa.array(values, arrow_type(dtype)), dtype).to_pylist()
        return made
    encode = _ENCODERS[dtype]
    return [b"" if value is None else encode(value) for value in values]


def _float(dtype: str) -> Callable[[Any], bytes]:
    first, pack = tag(FIELD[dtype], 1 if dtype == "float64" else 5)[0], _FLOATS[dtype].pack
    return lambda value: pack(first, value)


def _whole(dtype: str) -> Callable[[Any], bytes]:
    before = tag(FIELD[dtype], 0)
    return lambda value: before + varint(value & _LOW)


def _text(value: str) -> bytes:
    data = value.encode()
    return b"\x12" + varint(len(data)) + data


def _time(micros: int) -> bytes:
    seconds, part = divmod(micros, 1_000_000)
    return _SECONDS + varint(seconds & _LOW) + _PART + varint(part)


_SECONDS, _PART = tag(FIELD["timestamp"], 0), tag(MICROS, 0)
_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "string": _text,
    "int32": _whole("int32"),
    "int64": _whole("int64"),
    "float64": _float("float64"),
    "float32": _float("float32"),
    "bool": _whole("bool"),
    "timestamp": _time,
}
