"""Durations as people write them: `90d`, `6h`, `30 minutes`, or ISO 8601 (`P90D`)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)\s*(w|d|h|m|s)(?:eeks?|ays?|ours?|in(?:ute)?s?|ec(?:ond)?s?)?")

_ISO = re.compile(r"P[\dT]", re.IGNORECASE)


def _parse(value: Any) -> Any:
    if isinstance(value, str):
        match = _WRITTEN.fullmatch(value.strip().lower())
        if match:
            try:
                return timedelta(**{_UNITS[match[2]]: float(match[1])})
            except OverflowError:
                raise ValueError(f"'{value}' is longer than time") from None
        if not _ISO.match(value.strip()):
            raise ValueError(f"a duration is written as 90d, 6h, 30 minutes or P90D; '{value}' is not one")
    if isinstance(value, int):  # compiled declarations hold seconds, as floats
        raise ValueError(f"{value} has no unit: write {value}d for days or {value}s for seconds")
    return value


Duration = Annotated[
    timedelta,
    Field(ge=timedelta(0)),
    BeforeValidator(_parse),
    PlainSerializer(timedelta.total_seconds, when_used="json"),
]
"""A `timedelta`, never negative; JSON holds seconds."""
