"""Values on their way into the order asked: each batch, as it is read, goes straight to its places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from asgard_pipelines.features.key_index import Codes
from asgard_pipelines.features.kinds import Bools, Ints


class Arrangement:
    """Columns of `rows` asked rows, of which row i gets the winner `places[i]` (-1: none).

    `put` may be called from several threads, for winners that nobody else puts.
    """

    def __init__(self, schema: pa.Schema, places: Codes, winners: int) -> None:
        self._schema = schema
        found = places >= 0
        asked = np.flatnonzero(found).astype(np.int32)
        self._asked, self._ends = _by_winner(places[asked], asked, winners)
        bits = None if found.all() else pa.py_buffer(np.packbits(found, bitorder="little"))
        self._columns: list[_Column] = [
            _Fixed(field.type, found, bits) if _is_fixed(field.type) else _Varying(field.type, places)
            for field in schema
        ]

    def put(self, first: int, rows: pa.RecordBatch, wanted: Ints) -> None:
        """The rows of the winners `first`, `first + 1`, …: those of `rows` at `wanted`."""
        begins = self._ends[first : first + len(wanted) + 1]
        asked = self._asked[begins[0] : begins[-1]]
        counts = np.diff(begins)
        source = wanted if (counts == 1).all() else np.repeat(wanted, counts)
        for column, values in zip(self._columns, rows.columns, strict=True):
            column.put(first, values, wanted, source, asked)

    def table(self) -> pa.Table:
        """Once everything has been put."""
        return pa.table([column.array() for column in self._columns], schema=self._schema)


def _by_winner(places: Codes, asked: Codes, winners: int) -> tuple[Codes, Ints]:
    """The asked rows by the winner they get; and where those of each winner begin among them."""
    ends = np.zeros(winners + 1, np.int64)
    if len(asked) == winners:  # each winner is wanted once: no sorting
        ends[:] = np.arange(winners + 1)
        by_winner = np.empty(winners, np.int32)
        by_winner[places] = asked
        return by_winner, ends
    ends[1:] = np.cumsum(np.bincount(places, minlength=winners))
    return asked[np.argsort(places)], ends


class _Column(Protocol):
    def put(self, first: int, values: pa.Array, wanted: Ints, source: Ints, asked: Codes) -> None: ...

    def array(self) -> pa.Array: ...


class _Fixed:
    """Values of a fixed width, written where they belong."""

    def __init__(self, kind: pa.DataType, found: Bools, bits: pa.Buffer | None) -> None:
        self._kind, self._found, self._bits = kind, found, bits
        self._stored = _stored(kind)
        self._values = np.zeros(len(found), self._stored.to_pandas_dtype())
        self._valid: Bools | None = None
        """Where values are nulls of their own; made for the first of them."""

    def put(self, first: int, values: pa.Array, wanted: Ints, source: Ints, asked: Codes) -> None:
        if values.null_count:
            if self._valid is None:
                self._valid = self._found.copy()
            self._valid[asked] = values.is_valid().to_numpy(zero_copy_only=False)[source]
        self._values[asked] = _numbers(values, self._stored)[source]

    def array(self) -> pa.Array:
        bits = self._bits
        if self._valid is not None:
            bits = pa.py_buffer(np.packbits(self._valid, bitorder="little"))
        if pa.types.is_boolean(self._kind):
            return pa.Array.from_buffers(
                self._kind,
                len(self._values),
                [bits, pa.py_buffer(np.packbits(self._values, bitorder="little"))],
            )
        return pa.Array.from_buffers(self._kind, len(self._values), [bits, pa.py_buffer(self._values)])


class _Varying:
    """Values of any other type: kept as they were read, and taken in the order asked at the end."""

    def __init__(self, kind: pa.DataType, places: Codes) -> None:
        self._kind, self._places = kind, places
        self._chunks: dict[int, pa.Array] = {}

    def put(self, first: int, values: pa.Array, wanted: Ints, source: Ints, asked: Codes) -> None:
        self._chunks[first] = values.take(pa.array(wanted))

    def array(self) -> pa.Array:
        ordered: Sequence[pa.Array] = [self._chunks[first] for first in sorted(self._chunks)]
        whole = pa.chunked_array(ordered, self._kind).combine_chunks()
        return whole.take(pa.array(self._places, mask=self._places < 0))


def _is_fixed(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_timestamp(kind)
        or pa.types.is_date32(kind)
    )


def _stored(kind: pa.DataType) -> pa.DataType:
    """The type of the numbers that Arrow keeps for `kind`."""
    if pa.types.is_timestamp(kind):
        return pa.int64()
    return pa.int32() if pa.types.is_date32(kind) else kind


def _numbers(values: pa.Array, stored: pa.DataType) -> npt.NDArray[Any]:
    """Without a copy; what stands at a null does not matter."""
    if pa.types.is_boolean(stored):
        flags: Bools = values.fill_null(False).to_numpy(zero_copy_only=False)
        return flags
    width = stored.bit_width // 8
    buffer = values.buffers()[1]
    kind = np.dtype(stored.to_pandas_dtype())
    if buffer is None:
        return np.zeros(len(values), kind)
    return np.frombuffer(buffer, kind, len(values), values.offset * width)
