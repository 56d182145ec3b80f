"""Values as they are sent in JSON, in the types that were declared."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from asgard_pipelines.features.kinds import arrow_type

_WRONG = (ValueError, TypeError, OverflowError, pa.ArrowInvalid)


class Given:
    """Columns of one declared type. `column` is thread-safe."""

    def __init__(self, dtype: str) -> None:
        """Raises TypeMismatch: there is no such type."""
        self.dtype, self.kind = dtype, arrow_type(dtype)
        self._convert = _converter(dtype)

    def column(self, values: Sequence[Any]) -> tuple[pa.Array, list[int]]:
        """The values in their declared type, and the places of those that are none of it (null in the array).

        Null is a missing value, and so is a number that is not finite. A whole number is one in float's dress
        too (1.0); a time is ISO 8601, and without a zone it is UTC.
        """
        taken: list[Any] = []
        wrong = []
        for place, value in enumerate(values):
            try:
                taken.append(None if value is None else self._convert(value))
            except _WRONG:
                taken.append(None)
                wrong.append(place)
        try:
            return pa.array(taken, self.kind), wrong
        except _WRONG:  # a number too large, half a surrogate pair
            unfit = {place for place, value in enumerate(taken) if not _fits(value, self.kind)}
            taken = [None if place in unfit else value for place, value in enumerate(taken)]
            return pa.array(taken, self.kind), sorted({*wrong, *unfit})


def _fits(value: Any, kind: pa.DataType) -> bool:
    try:
        pa.scalar(value, kind)
    except _WRONG:
        return False
    return True


def given_time(value: Any) -> datetime:
    """ISO 8601, as naive UTC. Raises ValueError, TypeError, OverflowError."""
    time = datetime.fromisoformat(value)
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def _converter(dtype: str) -> Callable[[Any], Any]:
    if dtype.startswith("array<"):
        inner = _converter(dtype[len("array<") : -1])
        return lambda values: [None if one is None else inner(one) for one in _a(list, values)]
    if dtype.startswith("float"):
        return _float
    if dtype.startswith("int"):
        return _whole
    if dtype == "timestamp":
        return lambda value: given_time(_a(str, value))
    return lambda value: _a(str if dtype == "string" else bool, value)


def _float(value: Any) -> float | None:
    number = float(_number(value))
    return number if math.isfinite(number) else None


def _whole(value: Any) -> int:
    if _number(value) != int(value):
        raise ValueError(value)
    return int(value)


def _number(value: Any) -> Any:
    if type(value) not in (int, float):
        raise TypeError(value)
    return value


def _a(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(value)
    return value
