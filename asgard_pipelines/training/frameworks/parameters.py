"""Types and ranges of hyperparameters, for libraries that check theirs late or not at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Number:
    """An integer (`whole`) or a float in [`low`, `high`]; `open_low` leaves `low` itself out."""

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    open_low: bool = False

    def problem(self, value: object) -> str | None:
        wanted = "an integer" if self.whole else "a number"
        kinds = (int,) if self.whole else (int, float)
        right = (
            isinstance(value, kinds)
            and not isinstance(value, bool)
            and self.low <= value <= self.high
            and not (self.open_low and value == self.low)
        )
        return None if right else f"takes {wanted}{self._range()}, not {value!r}"

    def _range(self) -> str:
        if self.low == -math.inf:
            return ""
        start = f" above {self.low:g}" if self.open_low else f" from {self.low:g}"
        return start if self.high == math.inf else f"{start} to {self.high:g}"


@dataclass(frozen=True)
class Switch:
    def problem(self, value: object) -> str | None:
        return None if isinstance(value, bool) else f"takes true or false, not {value!r}"


@dataclass(frozen=True)
class Choice:
    values: tuple[str, ...]

    def problem(self, value: object) -> str | None:
        if isinstance(value, str) and value in self.values:
            return None
        return f"takes one of {', '.join(self.values)}, not {value!r}"


Parameter = Number | Switch | Choice
Parameters = Mapping[str, Parameter]


def whole(low: float = -math.inf) -> Number:
    return Number(low, whole=True)


def at_least(low: float) -> Number:
    return Number(low)


def above(low: float, high: float = math.inf) -> Number:
    return Number(low, high, open_low=True)
