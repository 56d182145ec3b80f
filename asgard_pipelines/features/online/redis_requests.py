"""What is sent to Redis to put rows: a call of the script for each, written out as bytes."""

from __future__ import annotations

import struct
from functools import lru_cache
from itertools import chain
from typing import Any

import mmh3
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.features.kinds import Ints
from asgard_pipelines.features.online.encoded_rows import EncodedRows
from asgard_pipelines.features.online.redis_scripts import PUT, name_of
from asgard_pipelines.features.online.redis_wire import bulk, command
from asgard_pipelines.features.online.stamps import few_stamps, stamps
from asgard_pipelines.features.online.value_bytes import varint, varints_joined

_EMPTY = pa.scalar(b"", pa.binary())


@lru_cache(4096)
def field(view: str, feature: str) -> bytes:
    """As Feast names it."""
    return struct.pack("<I", mmh3.hash(f"{view}:{feature}", signed=False))


def time_field(view: str) -> bytes:
    return f"_ts:{view}".encode()


def our_field(view: str) -> bytes:
    return f"_asgard:{view}".encode()


def feast_times(event: Ints) -> pa.Array:
    """As Feast's `Timestamp` messages."""
    seconds, micros = np.divmod(event, 1_000_000)
    every = np.ones(len(event), dtype=bool)
    return pc.binary_join_element_wise(
        varints_joined(b"\x08", seconds, every), varints_joined(b"\x10", micros * 1000, micros > 0), _EMPTY
    )


def _feast_time(micros: int) -> bytes:
    seconds, part = divmod(micros, 1_000_000)
    return b"\x08" + varint(seconds % (1 << 64)) + (b"\x10" + varint(part * 1000) if part else b"")


def request_of_few(view: str, rows: EncodedRows, suffix: bytes) -> bytes:
    """One call of the script for each row."""
    keys, columns = rows.as_lists()
    fields = [field(view, name) for name in rows.values]
    head = [b"EVALSHA", name_of(PUT), b"1"]
    stamped, times = few_stamps(rows.times), [_feast_time(at) for at in rows.times.event.tolist()]
    return b"".join(
        command(
            *head,
            keys[place] + suffix,
            time_field(view),
            our_field(view),
            stamped[place],
            times[place],
            *chain(*((name, column[place]) for name, column in zip(fields, columns, strict=True))),
        )
        for place in range(len(keys))
    )


def request_of_many(view: str, given: EncodedRows, suffix: bytes) -> memoryview:
    """The same, put together a column at a time."""
    rows = given.as_arrays()
    head = b"*%d\r\n" % (8 + 2 * len(rows.values)) + bulk(b"EVALSHA", name_of(PUT), b"1")
    stamped = stamps(rows.times)
    width = len(stamped[0].as_py())
    parts: list[Any] = [head, _lengths(rows.keys, len(suffix)), rows.keys]
    parts += [suffix + b"\r\n" + bulk(time_field(view), our_field(view)) + b"$%d\r\n" % width, stamped]
    between = b"\r\n"
    for name, column in [("", feast_times(rows.times.event)), *rows.values.items()]:
        parts += [between + (bulk(field(view, name)) if name else b""), _lengths(column), column]
    made = pc.binary_join_element_wise(
        *(
            pa.scalar(one, pa.large_binary()) if isinstance(one, bytes) else one.cast(pa.large_binary())
            for one in parts
        ),
        pa.scalar(b"\r\n", pa.large_binary()),
        pa.scalar(b"", pa.large_binary()),
    )
    return memoryview(made.buffers()[2])[: int(pc.sum(pc.binary_length(made)).as_py())]


def _lengths(column: pa.Array, more: int = 0) -> pa.Array:
    lengths = pc.binary_length(column).to_numpy(zero_copy_only=False) + more
    if lengths.max() < 1 << 16:
        table = pa.array([b"$%d\r\n" % length for length in range(int(lengths.max()) + 1)], pa.binary())
        return table.take(pa.array(lengths))
    return pa.array([b"$%d\r\n" % length for length in lengths.tolist()], pa.binary())
