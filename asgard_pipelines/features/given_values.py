"""Values as they are sent in JSON, in the types that were declared."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from asgard_pipelines.features.kinds import arrow_type

_WRONG = (ValueError, TypeError, OverflowError)
_EPOCH, _EPOCH_UTC = datetime(1970, 1, 1), datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_FLOAT32 = 3.4028235677973366e38
"""From here on a number rounds to no finite float32."""


class Given:
    """Columns of one declared type. Thread-safe."""

    def __init__(self, dtype: str, *, key: bool = False) -> None:
        """
        Args:
            key: the values are those of a join key: see `given_key`.

        Raises:
            TypeMismatch: there is no such type.
        """
        arrow_type(dtype)
        self.dtype = dtype
        self._convert = partial(given_key, dtype=dtype) if key else _converter(dtype)
        self._as_they_are = _AS_THEY_ARE.get(dtype)

    def as_they_are(self, values: Sequence[Any]) -> bool:
        """Whether all are of the type, and none is missing: they need not be looked at one by one."""
        return self._as_they_are is not None and self._as_they_are(values)

    def column(self, values: Sequence[Any]) -> tuple[list[Any], list[int]]:
        """The values in their declared type, and the places of those that are none of it, where None stands.

        Null is a missing value, and so is a number that is not finite. A whole number is one in float's dress
        too (1.0). A time is ISO 8601, UTC without a zone; it becomes microseconds since 1970.
        """
        if self.as_they_are(values):
            return list(values), []
        taken: list[Any] = []
        wrong = []
        for place, value in enumerate(values):
            try:
                taken.append(None if value is None else self._convert(value))
            except _WRONG:
                taken.append(None)
                wrong.append(place)
        return taken, wrong


def given_key(value: Any, dtype: str) -> str | int:
    """A key that is text or a whole number, each also as the other, wherever keys are sent.

    Raises ValueError, TypeError, OverflowError.
    """
    if dtype == "string":
        return _text(str(value) if type(value) is int or isinstance(value, str) else value)
    return _whole(int(value) if isinstance(value, str) else value, 31 if dtype == "int32" else 63)


def given_time(value: Any) -> int:
    """ISO 8601 as microseconds since 1970. Raises ValueError, TypeError, OverflowError."""
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        since = time - _EPOCH
    else:
        since = (time if time.tzinfo is UTC else time.astimezone(UTC)) - _EPOCH_UTC
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _whole_as_they_are(bits: int) -> Callable[[Sequence[Any]], bool]:
    low, high = -(2**bits), 2**bits - 1
    return lambda values: set(map(type, values)) == {int} and low <= min(values) and max(values) <= high


_AS_THEY_ARE: dict[str, Callable[[Sequence[Any]], bool]] = {
    "int32": _whole_as_they_are(31),
    "int64": _whole_as_they_are(63),
    "float64": lambda values: set(map(type, values)) == {float} and math.isfinite(sum(values)),
    "bool": lambda values: set(map(type, values)) == {bool},
    "string": lambda values: set(map(type, values)) == {str} and "".join(values).isascii(),
}
"""Whether no value of a column has to be looked at by itself."""


def _converter(dtype: str) -> Callable[[Any], Any]:
    if dtype.startswith("array<"):
        inner = _converter(dtype[len("array<") : -1])
        return lambda values: [None if one is None else inner(one) for one in _a(list, values)]
    return {
        "int32": lambda value: _whole(value, 31),
        "int64": lambda value: _whole(value, 63),
        "float32": lambda value: _float(value, _LARGEST_FLOAT32),
        "float64": lambda value: _float(value, math.inf),
        "timestamp": lambda value: given_time(_a(str, value)),
        "bool": lambda value: _a(bool, value),
        "string": _text,
    }[dtype]


def _float(value: Any, beyond: float) -> float | None:
    number = float(_number(value))
    if math.isfinite(number) and abs(number) >= beyond:
        raise ValueError(value)
    return number if math.isfinite(number) else None


def _whole(value: Any, bits: int) -> int:
    number = int(_number(value))
    if number != value or not -(2**bits) <= number < 2**bits:
        raise ValueError(value)
    return number


def _text(value: Any) -> str:
    text: str = _a(str, value)
    text.encode()  # half a surrogate pair is no text
    return text


def _number(value: Any) -> Any:
    if type(value) not in (int, float):
        raise TypeError(value)
    return value


def _a(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(value)
    return value
