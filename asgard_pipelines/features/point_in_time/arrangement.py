"""Values on their way into the order asked: kept in the winners' order while they are read, where each
batch is one stretch, and put into the order asked at the end, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from asgard_pipelines.features.kinds import Bools, Ints
from asgard_pipelines.features.point_in_time.key_index import Codes


class Arrangement:
    """Columns of `rows` asked rows, of which row i gets the winner `places[i]` (-1: none).

    `put` may be called from several threads, for winners that nobody else puts.
    """

    def __init__(self, schema: pa.Schema, places: Codes, winners: int) -> None:
        self._schema, self._places = schema, places
        self._columns: list[_Column] = [
            _Fixed(field.type, winners) if _is_fixed(field.type) else _Varying(field.type) for field in schema
        ]

    def put(self, first: int, rows: pa.RecordBatch, wanted: Ints) -> None:
        """The rows of the winners `first`, `first + 1`, …: those of `rows` at `wanted`."""
        for column, values in zip(self._columns, rows.columns, strict=True):
            column.put(first, values, wanted)

    def table(self) -> pa.Table:
        """Once, when everything has been put."""
        found = self._places >= 0
        places = self._places.astype(np.intp)
        columns = []
        while self._columns:  # a column's values go as soon as they have been put in order
            columns.append(self._columns.pop(0).array(places, found))
        return pa.table(columns, schema=self._schema)


class _Column(Protocol):
    def put(self, first: int, values: pa.Array, wanted: Ints) -> None: ...

    def array(self, places: Ints, found: Bools) -> pa.Array: ...


class _Fixed:
    """Values of a fixed width."""

    def __init__(self, kind: pa.DataType, winners: int) -> None:
        self._kind = kind
        self._stored = _stored(kind)
        self._values = np.empty(winners + 1, self._stored.to_pandas_dtype())
        self._values[winners] = 0  # one more than there are: what a row without a winner reads
        self._valid: Bools | None = None
        """Where values are no nulls of their own; made for the first that is."""
        self._one_makes = Lock()

    def put(self, first: int, values: pa.Array, wanted: Ints) -> None:
        here = slice(first, first + len(wanted))
        if values.null_count:
            with self._one_makes:
                if self._valid is None:
                    self._valid = np.ones(len(self._values), dtype=bool)
            self._valid[here] = values.is_valid().to_numpy(zero_copy_only=False).take(wanted)
        self._values[here] = _numbers(values, self._stored).take(wanted)

    def array(self, places: Ints, found: Bools) -> pa.Array:
        values = self._values.take(places, mode="wrap")
        valid = found if self._valid is None else found & self._valid.take(places, mode="wrap")
        bits = None if valid.all() else _bits(valid)
        stored = _bits(values) if pa.types.is_boolean(self._kind) else pa.py_buffer(values)
        return pa.Array.from_buffers(self._kind, len(values), [bits, stored])


class _Varying:
    """Values of any other type, as they were read."""

    def __init__(self, kind: pa.DataType) -> None:
        self._kind = kind
        self._chunks: dict[int, pa.Array] = {}

    def put(self, first: int, values: pa.Array, wanted: Ints) -> None:
        self._chunks[first] = values.take(pa.array(wanted))

    def array(self, places: Ints, found: Bools) -> pa.Array:
        ordered: Sequence[pa.Array] = [self._chunks[first] for first in sorted(self._chunks)]
        whole = pa.chunked_array(ordered, self._kind).combine_chunks()
        return whole.take(pa.array(places, mask=~found))


def _bits(flags: Bools) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


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
