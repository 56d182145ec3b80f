"""Event and created time as text that compares as the times do, for stores that compare text.

15 hexadecimal digits each: seconds since 1970 + 2^36 in ten, microseconds in five; zeros for no created time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from asgard_pipelines.features.kinds import Ints
from asgard_pipelines.features.online.encoded_rows import NO_CREATED, Times

DIGITS = 15
_SHIFT = 2**36
_NONE = int(NO_CREATED)
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


def stamps(times: Times) -> pa.Array:
    """Binary: the event time's digits, then the created time's if the view has one."""
    digits = [_digits(times.event)]
    if times.created_or_none is not None:
        digits.append(_digits(times.created_or_none))
    made = np.ascontiguousarray(np.concatenate(digits, axis=1))
    offsets = np.arange(len(made) + 1, dtype=np.int32) * made.shape[1]
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(made), [None, pa.py_buffer(offsets), pa.py_buffer(made)]
    )


def _digits(micros: Ints) -> npt.NDArray[np.uint8]:
    none = micros == NO_CREATED
    seconds, part = np.divmod(np.where(none, 0, micros), 1_000_000)
    whole = np.where(none, 0, ((seconds + _SHIFT) << 20) | part)
    made: npt.NDArray[np.uint8] = _HEX[(whole[:, None] >> np.arange(4 * (DIGITS - 1), -1, -4)) & 15]
    return made


def few_stamps(times: Times) -> list[bytes]:
    """The same of a few, one at a time: quicker then."""
    made = [_one(at) for at in times.event.tolist()]
    if times.created_or_none is None:
        return made
    return [stamp + _one(at) for stamp, at in zip(made, times.created_or_none.tolist(), strict=True)]


def _one(micros: int) -> bytes:
    seconds, part = divmod(micros, 1_000_000)
    return b"%015x" % (0 if micros == _NONE else (seconds + _SHIFT) << 20 | part)


def times_of(texts: Sequence[str | bytes | None]) -> Times:
    """Back again; without created digits, or for None, there is no created time. Of None the event time is
    0."""
    event, created = [], []
    for text in texts:
        event.append(0 if text is None else _micros(text[:DIGITS]))
        late = b"" if text is None else text[DIGITS : 2 * DIGITS]
        created.append(_micros(late) if late and int(late, 16) else NO_CREATED)
    return Times(np.array(event, np.int64), np.array(created, np.int64))


def _micros(digits: str | bytes) -> int:
    whole = int(digits, 16)
    return ((whole >> 20) - _SHIFT) * 1_000_000 + (whole & 0xFFFFF)
