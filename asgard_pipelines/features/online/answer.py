"""What a read of the online store gives: values, a status for each, and the times they are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson

Status = Literal["FOUND", "NOT_FOUND", "EXPIRED"]
FoundStatus = Literal["found", "missing", "expired"]

AHEAD = 5 * 60 * 1_000_000
"""So far ahead of ours, in microseconds, the clock of who pushes may go."""
_JSON = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z
_EPOCH = datetime(1970, 1, 1)


@dataclass(slots=True)  # frozen ones take four times as long to make
class OnlineAnswer:
    """Of as many rows as were asked, in their order. Lists are shared: do not change them."""

    names: tuple[str, ...]
    """What each column is called."""
    columns: list[list[Any]]
    """Python's values, times naive UTC; None where the status is not FOUND, and for a null that was
    stored."""
    statuses: list[list[Status]]
    """Of each value. One computed on demand has the worst of its views' statuses."""
    times: list[list[int | None]]
    """Of each value its row's event time, in microseconds since 1970 (UTC); None for what is not found, and
    for what is computed."""
    keys: Mapping[str, list[Any]]
    """Join key -> the values as they were looked up."""
    count: int
    """How many rows."""
    views: Mapping[str, list[Status]]
    """Of each stored view that was read, those that on-demand features are computed from included."""
    _status_json: dict[tuple[Status, ...], bytes] = field(default_factory=dict, repr=False, compare=False)

    def event_times(self) -> list[list[datetime | None]]:
        """`times` as naive UTC."""
        return [
            [None if at is None else _EPOCH + timedelta(microseconds=at) for at in column]
            for column in self.times
        ]

    def rows_json(self) -> list[bytes]:
        """A JSON object of each row: name -> value. NaN and infinities are null, times end in Z."""
        names = self.names
        if not names:
            return [b"{}"] * self.count
        return [
            orjson.dumps(dict(zip(names, row, strict=True)), option=_JSON)
            for row in zip(*self.columns, strict=True)
        ]

    def statuses_json(self) -> list[bytes]:
        """A JSON object of each row: name -> status. Each that occurs is made once for a prepared read."""
        if not self.names:
            return [b"{}"] * self.count
        known = self._status_json
        made = []
        for row in zip(*self.statuses, strict=True):
            if row not in known:
                if len(known) > 10_000:
                    known.clear()
                known[row] = orjson.dumps(dict(zip(self.names, row, strict=True)))
            made.append(known[row])
        return made
