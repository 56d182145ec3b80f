"""Times in Redis: Feast's, and the stamp of a row, which is ours or made of Feast's."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.timestamp_pb2 import Timestamp

from asgard_pipelines.features.kinds import Ints
from asgard_pipelines.features.online.encoded_rows import Times
from asgard_pipelines.features.online.stamps import DIGITS, few_stamps
from asgard_pipelines.features.online.value_bytes import varint, varints_joined

_EMPTY = pa.scalar(b"", pa.binary())


def feast_times(event: Ints) -> pa.Array:
    """As Feast's `Timestamp` messages."""
    seconds, micros = np.divmod(event, 1_000_000)
    every = np.ones(len(event), dtype=bool)
    return pc.binary_join_element_wise(
        varints_joined(b"\x08", seconds, every), varints_joined(b"\x10", micros * 1000, micros > 0), _EMPTY
    )


def feast_time(micros: int) -> bytes:
    """The same of one."""
    seconds, part = divmod(micros, 1_000_000)
    return b"\x08" + varint(seconds % (1 << 64)) + (b"\x10" + varint(part * 1000) if part else b"")


def micros_of(time: bytes) -> int:
    """Feast's, in microseconds since 1970."""
    read = Timestamp.FromString(time)
    micros: int = read.seconds * 1_000_000 + read.nanos // 1000
    return micros


def stored_stamp(time: bytes, ours: bytes | None) -> bytes:
    """Of a row where `time` is Feast's, and `ours` our field: where Feast wrote last, its time counts, with
    no created time."""
    if ours is not None and ours[2 * DIGITS :] == time:
        return ours[: 2 * DIGITS]
    return few_stamps(Times(np.array([micros_of(time)]), None))[0].ljust(2 * DIGITS, b"0")
