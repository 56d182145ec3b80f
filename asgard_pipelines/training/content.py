"""A hash of rows that depends on their values alone: not on their order, files or library versions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from asgard_pipelines.errors import TypeMismatch

_NAN = np.float64(np.nan).view(np.uint64)
_ROWS = 65_536
"""Rows encoded at once: their encoding is many times as wide as they are."""

Bytes = NDArray[np.uint8]
"""A matrix: one row per table row, a fixed width per column."""
Digests = NDArray[np.bytes_]
"""SHA-256 of each row's encoding, 32 bytes each."""


class ContentHash:
    """SHA-256 of the columns' names and kinds and of the sorted hashes of the rows, batch by batch.

    A value is one byte that says whether it is there, then, all little-endian:

    ==========  =====================================================================
    kind        value
    ==========  =====================================================================
    bool, int   8 bytes
    float       IEEE 754 binary64; there is one NaN, and -0.0 is not 0.0
    time        microseconds since 1970 in 8 bytes; a date is its midnight
    string      the SHA-256 of its UTF-8
    binary      the SHA-256 of its bytes
    decimal     the SHA-256 of its digits, as `-12.5`: no exponent, no zeros at the end
    array<…>    the SHA-256 of its elements, so encoded, one after the other
    ==========  =====================================================================

    Integers of every width are one kind, and so are floats, decimals, and times and dates. What is
    not there is zeros. 32 bytes per row are held until the end.

    Raises:
        TypeMismatch: a column of another kind.
    """

    def __init__(self, schema: pa.Schema) -> None:
        header = [f"{field.name}:{kind_of(field)}" for field in schema]
        self._header = "\n".join(header).encode()
        self._digests: list[Digests] = []

    def update(self, rows: pa.RecordBatch | pa.Table) -> None:
        """More rows, in the schema's columns."""
        self._digests.append(digests(rows))

    def hexdigest(self) -> str:
        result = hashlib.sha256(self._header)
        if self._digests:
            result.update(np.sort(np.concatenate(self._digests)).view(np.uint8).data)
        return result.hexdigest()


def content_hash(table: pa.Table) -> str:
    """`ContentHash` of a table in memory."""
    result = ContentHash(table.schema)
    result.update(table)
    return result.hexdigest()


def digests(rows: pa.RecordBatch | pa.Table, salt: bytes = b"") -> Digests:
    """The SHA-256 of `salt` and of the encoding of each row, as `ContentHash` describes it."""
    parts = [_digests(matrix, salt) for matrix in encoded(rows)]
    return np.concatenate(parts) if parts else np.empty(0, dtype="S32")


def encoded(rows: pa.RecordBatch | pa.Table) -> Iterator[Bytes]:
    """The encoding of the rows, some at a time."""
    table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
    for start in range(0, table.num_rows, _ROWS):
        columns = table.slice(start, _ROWS).columns
        yield np.hstack([_encoded(column.combine_chunks()) for column in columns])


def kind_of(field: pa.Field) -> str:
    """Raises TypeMismatch."""
    kind = _kind(field.type)
    if kind is None:
        raise TypeMismatch(
            f"Column '{field.name}' is {field.type}: a training set holds numbers, bools, strings, times, "
            "bytes, and arrays of them.",
            column=field.name,
            found=str(field.type),
        )
    return kind


def _kind(of: pa.DataType) -> str | None:
    if _is_array(of):
        inner = _kind(of.value_type)
        return inner and f"array<{inner}>"
    return next((kind for kind, (belongs, _) in _KINDS.items() if belongs(of)), None)


def _is_array(of: pa.DataType) -> bool:
    return bool(pa.types.is_list(of) or pa.types.is_large_list(of))


def _digests(matrix: Bytes, salt: bytes) -> Digests:
    data, width = memoryview(matrix.tobytes()), matrix.shape[1]
    rows = (data[start : start + width] for start in range(0, len(data), width))
    return _hashed(rows, salt).view("S32").ravel()


def _hashed(values: Iterable[bytes | memoryview], salt: bytes = b"") -> Bytes:
    sha256 = hashlib.sha256
    hashes = b"".join([sha256(salt + value).digest() for value in values])
    return np.frombuffer(hashes, dtype=np.uint8).reshape(-1, 32)


def _encoded(values: pa.Array) -> Bytes:
    there = values.is_valid().to_numpy(zero_copy_only=False).astype(np.uint8)[:, None]
    if _is_array(values.type):
        matrix = _arrays(values)
    else:
        matrix = next(encode for belongs, encode in _KINDS.values() if belongs(values.type))(values)
    return np.hstack([there, matrix * there])


def _arrays(values: pa.ListArray) -> Bytes:
    elements = _encoded(values.flatten())  # of arrays that are there
    ends = pc.list_value_length(values).fill_null(0).to_numpy(zero_copy_only=False).cumsum()
    data, width = memoryview(elements.tobytes()), elements.shape[1]
    starts = [0, *ends[:-1].tolist()]
    return _hashed(data[a * width : b * width] for a, b in zip(starts, ends.tolist(), strict=True))


def _whole(values: pa.Array) -> Bytes:
    numbers = values.cast(pa.int64(), safe=False).fill_null(0).to_numpy(zero_copy_only=False)
    return _words(numbers.view(np.uint64))


def _floats(values: pa.Array) -> Bytes:
    numbers = values.cast(pa.float64(), safe=False).fill_null(0.0).to_numpy(zero_copy_only=False)
    return _words(np.where(np.isnan(numbers), _NAN, numbers.view(np.uint64)))


def _times(values: pa.Array) -> Bytes:
    return _whole(values.cast(pa.timestamp("us")))


def _words(bits: NDArray[np.uint64]) -> Bytes:
    return np.ascontiguousarray(bits.astype("<u8")).view(np.uint8).reshape(-1, 8)


def _strings(values: pa.Array) -> Bytes:
    return _by_value(values.cast(pa.large_string()).fill_null(""), str.encode)


def _binaries(values: pa.Array) -> Bytes:
    return _by_value(values.cast(pa.large_binary()).fill_null(b""), bytes)


def _decimals(values: pa.Array) -> Bytes:
    return _by_value(values.fill_null(Decimal(0)), _digits)


def _digits(value: Decimal) -> bytes:
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return (text if value else "0").encode()


def _by_value(values: pa.Array, to_bytes: Callable[..., bytes]) -> Bytes:
    """Each distinct value is hashed once."""
    distinct = values.dictionary_encode()
    hashes = _hashed(to_bytes(value) for value in distinct.dictionary.to_pylist())
    return np.asarray(hashes[distinct.indices.to_numpy()], dtype=np.uint8)


_KINDS: dict[str, tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], Bytes]]] = {
    "bool": (pa.types.is_boolean, _whole),
    "int": (pa.types.is_integer, _whole),
    "float": (lambda of: pa.types.is_floating(of) or pa.types.is_null(of), _floats),
    "string": (lambda of: pa.types.is_string(of) or pa.types.is_large_string(of), _strings),
    "time": (lambda of: pa.types.is_timestamp(of) or pa.types.is_date(of), _times),
    "decimal": (pa.types.is_decimal, _decimals),
    "binary": (
        lambda of: (
            pa.types.is_binary(of) or pa.types.is_large_binary(of) or pa.types.is_fixed_size_binary(of)
        ),
        _binaries,
    ),
}
