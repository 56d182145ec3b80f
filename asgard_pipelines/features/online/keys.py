"""Entity keys as Feast serializes them (version 3): the sorted join keys' names, then their values."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.errors import ColumnNotFound, TypeMismatch
from asgard_pipelines.features.kinds import Bools

_STRING, _INT32, _INT64 = 2, 3, 4
"""Feast's `ValueType`s of which it makes keys; times and bytes too, which no entity here is."""
KEY_TYPES = ("string", "int32", "int64")
_KIND_OF = {
    pa.string(): "string",
    pa.large_string(): "string",
    pa.int32(): "int32",
    pa.int64(): "int64",
}


def _header(names: Sequence[str]) -> bytes:
    parts = [struct.pack("<I", len(names))]
    for name in names:
        text = name.encode()
        parts.append(struct.pack("<2I", _STRING, len(text)) + text)
    return b"".join(parts)


KEYLESS = _header(["__dummy_id"]) + struct.pack("<2I", _STRING, 0)
"""The key of the one row of a view without keys: Feast's dummy entity, whose value is the empty text."""


def encoded_keys(join_keys: Sequence[str], rows: pa.Table) -> tuple[pa.Array, Bools]:
    """Of each row its key (binary), and whether all parts of it are there.

    Raises:
        ColumnNotFound
        TypeMismatch: a column that is neither text nor int32 nor int64.
    """
    if not join_keys:
        return pa.array([KEYLESS] * len(rows), pa.binary()), np.ones(len(rows), dtype=bool)
    present = np.ones(len(rows), dtype=bool)
    parts: list[Any] = [pa.scalar(_header(sorted(join_keys)), pa.binary())]
    for name in sorted(join_keys):
        if name not in rows.column_names:
            raise ColumnNotFound(name, rows.column_names, table="the rows' keys")
        column = rows[name].combine_chunks() if isinstance(rows[name], pa.ChunkedArray) else rows[name]
        if column.null_count:
            present &= column.is_valid().to_numpy(zero_copy_only=False)
        parts += _parts(name, column)
    joined = pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.binary()))
    return joined, present


def key_length(text: bytes) -> int:
    """How many of the bytes are the key with which they begin; all of them, where they begin with none."""
    place = 4
    parts = 2 * int.from_bytes(text[:4], "little")  # names, then values: each its kind, its length, itself
    for _ in range(parts):
        place += 8 + int.from_bytes(text[place + 4 : place + 8], "little")
        if place > len(text):
            return len(text)
    return place


def few_keys(join_keys: Sequence[str], rows: pa.Table) -> tuple[list[bytes], Bools]:
    """The same, one at a time: of a few rows quicker."""
    if not join_keys:
        return [KEYLESS] * len(rows), np.ones(len(rows), dtype=bool)
    names = tuple(sorted(join_keys))
    for name in names:
        if name not in rows.column_names:
            raise ColumnNotFound(name, rows.column_names, table="the rows' keys")
    types = tuple(_KIND_OF.get(rows[name].type) or str(rows[name].type) for name in names)
    columns = [rows[name].to_pylist() for name in names]
    present = np.array([None not in row for row in zip(*columns, strict=True)], dtype=bool)
    if not present.all():
        nothing = ["" if kind == "string" else 0 for kind in types]
        columns = [
            [zero if value is None else value for value in column]
            for zero, column in zip(nothing, columns, strict=True)
        ]
    return key_encoder_of(names, types)(columns), present


@lru_cache(256)
def key_encoder_of(
    names: tuple[str, ...], types: tuple[str, ...]
) -> Callable[[Sequence[Sequence[Any]]], list[bytes]]:
    """`key_encoder`, made once."""
    return key_encoder(dict(zip(names, types, strict=True)))


def _parts(name: str, column: pa.Array) -> list[pa.Array]:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        text = column.fill_null("").cast(pa.binary())
        lengths = pc.binary_length(text).to_numpy(zero_copy_only=False).astype("<u4")
        head = np.empty((len(text), 2), "<u4")
        head[:, 0], head[:, 1] = _STRING, lengths
        return [_fixed(head), text]
    if column.type not in (pa.int32(), pa.int64()):
        raise _not_a_key(name, str(column.type))
    wide = column.type == pa.int64()
    numbers = column.fill_null(0).to_numpy(zero_copy_only=False)
    if wide:
        whole = np.empty(len(numbers), [("head", "<u4", 2), ("value", "<i8")])
        whole["head"] = (_INT64, 8)
    else:
        whole = np.empty(len(numbers), [("head", "<u4", 2), ("value", "<i4")])
        whole["head"] = (_INT32, 4)
    whole["value"] = numbers
    return [_fixed(whole)]


def _fixed(rows: np.ndarray[Any, Any]) -> pa.Array:
    """A C-ordered array's rows as binary values."""
    width = rows.nbytes // max(len(rows), 1)
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * width
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(rows))]
    )


def key_encoder(types: Mapping[str, str]) -> Callable[[Sequence[Sequence[Any]]], list[bytes]]:
    """What makes keys of columns of values, which are in the order of `types` (join key -> declared type) and
    were checked before.

    Raises:
        TypeMismatch: a type of which Feast makes no keys.
    """
    if not types:
        return lambda columns: [KEYLESS]
    for name, dtype in types.items():
        if dtype not in KEY_TYPES:
            raise _not_a_key(name, dtype)
    names, header = list(types), _header(sorted(types))
    if len(names) == 1:
        dtype = types[names[0]]
        if dtype == "string":
            start, pack = header + struct.pack("<I", _STRING), struct.Struct("<I").pack
            return lambda columns: [
                start + pack(len(text)) + text for text in [value.encode() for value in columns[0]]
            ]
        start = header + (
            struct.pack("<2I", _INT64, 8) if dtype == "int64" else struct.pack("<2I", _INT32, 4)
        )
        number = struct.Struct("<q" if dtype == "int64" else "<i").pack
        return lambda columns: [start + number(value) for value in columns[0]]
    parts = [_part(types[name]) for name in sorted(types)]
    places = [names.index(name) for name in sorted(types)]

    def several(columns: Sequence[Sequence[Any]]) -> list[bytes]:
        made = [[part(value) for value in columns[place]] for part, place in zip(parts, places, strict=True)]
        return [header + b"".join(row) for row in zip(*made, strict=True)]

    return several


def _part(dtype: str) -> Callable[[Any], bytes]:
    if dtype == "string":
        return lambda value: struct.pack("<2I", _STRING, len(value.encode())) + value.encode()
    form, kind, length = ("<2Iq", _INT64, 8) if dtype == "int64" else ("<2Ii", _INT32, 4)
    return lambda value: struct.pack(form, kind, length, value)


def _not_a_key(name: str, found: str) -> TypeMismatch:
    return TypeMismatch(
        f"'{name}' is {found}; keys of the online store are {', '.join(KEY_TYPES)}.",
        join_key=name,
        found=found,
    )
