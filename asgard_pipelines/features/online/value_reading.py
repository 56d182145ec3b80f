"""Bytes of Feast's `Value` messages as Python's values, a whole answer at a time.

The messages of many values, one behind the other, are themselves a message: one whose fields are the same and
repeated. Reading that once leaves the work on each value to protobuf's C code.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import chain
from operator import itemgetter
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from asgard_pipelines.features.online.value_bytes import ARRAY_MICROS, FIELD, MICROS, NULLS, tag, varint

_EPOCH = datetime(1970, 1, 1)
_NO_TIME = -(2**63)
"""What Feast writes where there is no time."""
_first = itemgetter(0)


def _messages() -> Any:
    """The class of `Values`: `Value` with every field repeated, in a pool of our own."""
    proto = descriptor_pb2.FieldDescriptorProto
    scalars = {
        "string": proto.TYPE_STRING,
        "int32": proto.TYPE_INT32,
        "int64": proto.TYPE_INT64,
        "float64": proto.TYPE_DOUBLE,
        "float32": proto.TYPE_FLOAT,
        "bool": proto.TYPE_BOOL,
        "timestamp": proto.TYPE_INT64,
    }
    file = descriptor_pb2.FileDescriptorProto(name="asgard/values.proto", package="asgard", syntax="proto2")
    values = file.message_type.add(name="Values")
    for dtype, number in FIELD.items():
        item = dtype[6:-1] if dtype.startswith("array<") else dtype
        if item == dtype:
            values.field.add(name=f"f{number}", number=number, label=proto.LABEL_REPEATED, type=scalars[item])
            continue
        inner = file.message_type.add(name=f"Items{number}")
        inner.field.add(name="val", number=1, label=proto.LABEL_REPEATED, type=scalars[item])
        kind = f".asgard.Items{number}"
        values.field.add(
            name=f"f{number}",
            number=number,
            label=proto.LABEL_REPEATED,
            type=proto.TYPE_MESSAGE,
            type_name=kind,
        )
    values.field.add(name="micros", number=MICROS, label=proto.LABEL_REPEATED, type=proto.TYPE_UINT32)
    for name, number in (("nulls", NULLS), ("array_micros", ARRAY_MICROS)):
        values.field.add(name=name, number=number, label=proto.LABEL_REPEATED, type=proto.TYPE_BYTES)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("asgard.Values"))


_Values = _messages()


class ValueReader:
    """Reads rows of values of these declared types. Safe to use from several threads."""

    def __init__(self, dtypes: Sequence[str]) -> None:
        self._dtypes = list(dtypes)
        self._tags = bytes(tag(FIELD[dtype], _wire(dtype))[0] for dtype in dtypes)
        self._zeros = [_zero(dtype) for dtype in dtypes]
        self._groups = [
            (read, [place for place, one in enumerate(dtypes) if one == dtype])
            for dtype in dict.fromkeys(dtypes)
            for read in [_READ[dtype]]
        ]

    def columns(self, values: list[bytes | None]) -> list[list[Any]]:
        """
        Args:
            values: rows one behind the other. Empty and None are null.

        Returns:
            A list for each type. Times are naive UTC. A value that is of another kind than declared (the view
            was declared anew, and not yet materialized) is null, except a number where a float is declared.
        """
        width = len(self._dtypes)
        whole: Sequence[Any] = values
        if not all(values):
            zeros = self._zeros * (len(values) // width)
            whole = [value or zero for value, zero in zip(values, zeros, strict=True)]
        if bytes(map(_first, whole)) != self._tags * (len(values) // width):
            return self._one_by_one(values)
        parsed = _Values.FromString(b"".join(whole))
        made: list[list[Any]] = [[]] * width
        for read, places in self._groups:
            found = read(parsed)
            if found is None or len(found) * width != len(values) * len(places):
                return self._one_by_one(values)
            step = len(places)
            for shift, place in enumerate(places):
                made[place] = found if step == 1 else found[shift::step]
        if whole is not values:
            for place in [place for place, value in enumerate(values) if not value]:
                made[place % width][place // width] = None
        return made

    def _one_by_one(self, values: Sequence[bytes | None]) -> list[list[Any]]:
        """Of what Feast wrote (times without microseconds), and arrays with nulls in them."""
        width = len(self._dtypes)
        return [
            [_single(value, dtype) if value else None for value in values[place::width]]
            for place, dtype in enumerate(self._dtypes)
        ]


def _single(value: bytes, dtype: str) -> Any:
    parsed = _Values.FromString(value)
    found = list(getattr(parsed, f"f{FIELD[dtype]}"))
    if not found and dtype in ("float32", "float64"):
        kinds = ("float64", "float32", "int64", "int32")
        return next(
            (float(one) for one in chain(*(getattr(parsed, f"f{FIELD[kind]}") for kind in kinds))), None
        )
    if not found:
        return None
    if dtype == "timestamp":
        return _found_time(found[0], parsed.micros[0] if parsed.micros else 0)
    if not dtype.startswith("array<"):
        return found[0]
    items = list(found[0].val)
    if dtype == "array<timestamp>":
        micros = _numbers(parsed.array_micros[0]) if parsed.array_micros else [0] * len(items)
        items = list(map(_found_time, items, micros))
    for place in _numbers(parsed.nulls[0]) if parsed.nulls else ():
        items[place] = None
    return items


def _time(seconds: int, micros: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds, microseconds=micros)


def _found_time(seconds: int, micros: int) -> datetime | None:
    return None if seconds == _NO_TIME else _time(seconds, micros)


def _numbers(packed: bytes) -> Sequence[int]:
    return struct.unpack(f"<{len(packed) // 4}I", packed)


def _scalars(dtype: str) -> Callable[[Any], list[Any] | None]:
    field = f"f{FIELD[dtype]}"
    return lambda parsed: getattr(parsed, field)[:]  # twice as quick as `list`


def _times(parsed: Any) -> list[Any] | None:
    if len(parsed.micros) != len(parsed.f8):
        return None
    return list(map(_time, parsed.f8, parsed.micros))


def _arrays(dtype: str) -> Callable[[Any], list[Any] | None]:
    field = f"f{FIELD[dtype]}"
    return lambda parsed: None if parsed.nulls else [one.val[:] for one in getattr(parsed, field)]


def _arrays_of_times(parsed: Any) -> list[Any] | None:
    if parsed.nulls or len(parsed.array_micros) != len(parsed.f18):
        return None
    return [
        list(map(_time, one.val, _numbers(micros)))
        for one, micros in zip(parsed.f18, parsed.array_micros, strict=True)
    ]


_READ: dict[str, Callable[[Any], list[Any] | None]] = {
    dtype: _arrays(dtype) if dtype.startswith("array<") else _scalars(dtype) for dtype in FIELD
} | {"timestamp": _times, "array<timestamp>": _arrays_of_times}


def _wire(dtype: str) -> int:
    if dtype == "string" or dtype.startswith("array<"):
        return 2
    return {"float64": 1, "float32": 5}.get(dtype, 0)


def _zero(dtype: str) -> bytes:
    """A value that is read and then forgotten, in the place of a null."""
    wire = _wire(dtype)
    made = tag(FIELD[dtype], wire) + {0: b"\0", 1: bytes(8), 2: b"\0", 5: bytes(4)}[wire]
    if dtype == "timestamp":
        made += tag(MICROS, 0) + b"\0"
    if dtype == "array<timestamp>":
        made += tag(ARRAY_MICROS, 2) + varint(0)
    return made
