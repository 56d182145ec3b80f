"""A hash of rows that depends on their values alone: not on their order, files or library versions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from asgard_pipelines.errors import TypeMismatch

_NAN = np.float64(np.nan).view(np.uint64)

Bytes = NDArray[np.uint8]
"""A matrix: one row per table row, a fixed width per column."""


def content_hash(table: pa.Table) -> str:
    """SHA-256 (hex) of the columns' names and kinds and of the sorted hashes of the rows.

    A value is one byte that says whether it is there, then: a bool or an integer as 8 bytes, a
    float as IEEE 754 binary64 (one NaN), a time as microseconds in 8 bytes, all little-endian; a
    string as the SHA-256 of its UTF-8. Integers of every width are one kind, and so are floats.

    Raises:
        TypeMismatch: a column of another kind (an array, say).
    """
    header = [f"{field.name}:{_kind(field)}" for field in table.schema]
    result = hashlib.sha256("\n".join(header).encode())
    for digest in sorted(hashlib.sha256(row).digest() for row in row_bytes(table)):
        result.update(digest)
    return result.hexdigest()


def row_bytes(table: pa.Table) -> Sequence[bytes]:
    """The encoding of each row, as `content_hash` describes it."""
    if table.num_rows == 0:
        return []
    columns = [_encoded(table.schema.field(i), table.column(i)) for i in range(table.num_columns)]
    rows = np.ascontiguousarray(np.hstack(columns))
    data, width = rows.tobytes(), rows.shape[1]
    return [data[start : start + width] for start in range(0, len(data), width)]


def _kind(field: pa.Field) -> str:
    for kind, belongs in _KINDS.items():
        if belongs(field.type):
            return kind
    raise TypeMismatch(
        f"Column '{field.name}' is {field.type}: a training set holds numbers, bools, strings and times.",
        column=field.name,
        found=str(field.type),
    )


_KINDS: dict[str, Callable[[pa.DataType], bool]] = {
    "bool": pa.types.is_boolean,
    "int": pa.types.is_integer,
    "float": lambda kind: pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind),
    "string": lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
    "time": lambda kind: pa.types.is_timestamp(kind) or pa.types.is_date(kind),
}


def _encoded(field: pa.Field, column: pa.ChunkedArray) -> Bytes:
    kind = _kind(field)
    there = pc.is_valid(column).to_numpy().astype(np.uint8)[:, None]
    values = _strings(column) if kind == "string" else _numbers(column, kind)
    return np.hstack([there, values * there])


def _numbers(column: pa.ChunkedArray, kind: str) -> Bytes:
    if kind == "float":
        numbers = column.cast(pa.float64(), safe=False).fill_null(0.0).to_numpy()
        bits = np.where(np.isnan(numbers), _NAN, numbers.view(np.uint64))
    else:
        whole = column.cast(pa.timestamp("us")) if kind == "time" else column
        bits = whole.cast(pa.int64(), safe=False).fill_null(0).to_numpy().view(np.uint64)
    return np.ascontiguousarray(bits.astype("<u8")).view(np.uint8).reshape(-1, 8)


def _strings(column: pa.ChunkedArray) -> Bytes:
    encoded = pc.dictionary_encode(column.cast(pa.string()).fill_null("")).combine_chunks()
    hashes = [hashlib.sha256(value.encode()).digest() for value in encoded.dictionary.to_pylist()]
    digests = np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(-1, 32)
    return np.asarray(digests[encoded.indices.to_numpy()], dtype=np.uint8)
