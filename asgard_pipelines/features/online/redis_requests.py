"""What is sent to Redis to put rows, written out as bytes: calls of the script, or plain writes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import mmh3
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.features.online.encoded_rows import EncodedRows
from asgard_pipelines.features.online.redis_scripts import PUT, name_of
from asgard_pipelines.features.online.redis_times import feast_time, feast_times
from asgard_pipelines.features.online.redis_wire import bulk
from asgard_pipelines.features.online.stamps import DIGITS, few_stamps, stamps

_ROWS_A_CALL = 64
"""Nobody else is answered meanwhile: under a millisecond, of twenty features."""
_Some = Callable[[int, int], memoryview]
"""Of the rows from the first place to before the second."""
_LARGE = 1 << 30
"""More bytes than Arrow's smaller type might take."""


@lru_cache(4096)
def field(view: str, feature: str) -> bytes:
    """As Feast names it."""
    return struct.pack("<I", mmh3.hash(f"{view}:{feature}", signed=False))


def time_field(view: str) -> bytes:
    return f"_ts:{view}".encode()


def our_field(view: str) -> bytes:
    return f"_asgard:{view}".encode()


def request_of_few(view: str, rows: EncodedRows, suffix: bytes) -> bytes:
    """One call of the script."""
    keys, columns = rows.as_lists()
    times = [feast_time(at) for at in rows.times.event.tolist()]
    stamped = [
        stamp.ljust(2 * DIGITS, b"0") + at for stamp, at in zip(few_stamps(rows.times), times, strict=True)
    ]
    return b"".join(
        (
            _called(len(keys), len(columns)),
            bulk(*(key + suffix for key in keys)),
            _fields(view, tuple(rows.values), rows.times.created_or_none is not None),
            bulk(*chain.from_iterable(zip(times, stamped, *columns, strict=True))),
        )
    )


def request_of_many(view: str, given: EncodedRows, suffix: bytes) -> tuple[bytes, int]:
    """Calls of the script, put together a column at a time; and how many."""
    rows = given.as_arrays()
    keys = _pieces(_keys(rows, suffix))
    values = _pieces(list(chain.from_iterable(_columns(rows))))
    fields = _fields(view, tuple(rows.values), rows.times.created_or_none is not None)
    made: list[Any] = []
    starts = range(0, len(rows), _ROWS_A_CALL)
    for start in starts:
        end = min(start + _ROWS_A_CALL, len(rows))
        made += (_called(end - start, len(rows.values)), keys(start, end), fields, values(start, end))
    return b"".join(made), len(starts)


def row_looks(view: str, rows: EncodedRows, suffix: bytes) -> tuple[_Some, _Some]:
    """What gives, of some rows, the keys as arguments, and an HMGET of both times for each."""
    key = _keys(rows, suffix)
    return _pieces(key), _pieces([b"*4\r\n" + bulk(b"HMGET"), *key, bulk(time_field(view), our_field(view))])


def row_writes(view: str, given: EncodedRows, suffix: bytes) -> _Some:
    """What gives an HSET for each of some rows, without a guard."""
    rows = given.as_arrays()
    head = b"*%d\r\n" % (6 + 2 * len(rows.values)) + bulk(b"HSET")
    parts = [head, *_keys(rows, suffix)]
    names = [time_field(view), our_field(view), *(field(view, name) for name in rows.values)]
    for name, column in zip(names, _columns(rows), strict=True):
        parts += [bulk(name), *column]
    return _pieces(parts)


def _keys(rows: EncodedRows, suffix: bytes) -> list[bytes | pa.Array]:
    """Each as an argument."""
    return [_lengths(rows.keys, len(suffix)), rows.keys, suffix + b"\r\n"]


def _columns(rows: EncodedRows) -> Iterator[list[bytes | pa.Array]]:
    """What the fields of each row hold, in the order of `_fields`."""
    times, stamped = feast_times(rows.times.event), stamps(rows.times)
    no_created = b"0" * DIGITS if rows.times.created_or_none is None else b""
    yield [_lengths(times), times, b"\r\n"]
    yield [_lengths(times, 2 * DIGITS), stamped, no_created, times, b"\r\n"]
    for column in rows.values.values():
        yield [_lengths(column), column, b"\r\n"]


def _called(rows: int, features: int) -> bytes:
    fields = 2 + features
    return b"*%d\r\n" % (5 + rows + fields * (1 + rows)) + bulk(b"EVALSHA", name_of(PUT), b"%d" % rows)


@lru_cache(256)
def _fields(view: str, features: tuple[str, ...], with_created: bool) -> bytes:
    """What the script is told before the rows."""
    names = [time_field(view), our_field(view), *(field(view, name) for name in features)]
    return bulk(b"%d" % (2 * DIGITS if with_created else DIGITS), b"%d" % len(names), *names)


def _pieces(parts: Sequence[bytes | pa.Array]) -> _Some:
    """Of each row the parts one after the other; what gives those of some rows in one piece."""
    merged: list[Any] = []
    for part in parts:
        if merged and isinstance(part, bytes) and isinstance(merged[-1], bytes):
            merged[-1] += part
        else:
            merged.append(part)
    large = sum(part.nbytes for part in merged if not isinstance(part, bytes)) > _LARGE
    kind, width = (pa.large_binary(), np.int64) if large else (pa.binary(), np.int32)
    typed = [pa.scalar(one, kind) if isinstance(one, bytes) else one.cast(kind) for one in merged]
    made = pc.binary_join_element_wise(*typed, pa.scalar(b"", kind))
    _, ends, data = made.buffers()
    places, whole = np.frombuffer(ends, width), memoryview(data)
    return lambda start, end: whole[places[start] : places[end]]


def _lengths(column: pa.Array, more: int = 0) -> bytes | pa.Array:
    """The same for all where all are of one length."""
    lengths = pc.binary_length(column).to_numpy(zero_copy_only=False) + more
    least, most = int(lengths.min()), int(lengths.max())
    if least == most:
        return b"$%d\r\n" % most
    if most < 1 << 16:
        table = pa.array([b"$%d\r\n" % length for length in range(least, most + 1)], pa.binary())
        return table.take(pa.array(lengths - least))
    return pa.array([b"$%d\r\n" % length for length in lengths.tolist()], pa.binary())
