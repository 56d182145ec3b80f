"""The point-in-time join by definition: loops over rows, one question at a time.

Written from the words of `point_in_time/engine.py` and DESIGN.md alone. Slow, and it imports nothing of ours.
Rows are dicts of Python values. A time is a date (its midnight), a datetime (naive means UTC), or numpy's
datetime64, which alone can hold nanoseconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

Row = Mapping[str, Any]

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Rule:
    """What is looked up, in the source's own names; the fields mean what they mean in a `Lookup`."""

    keys: Mapping[str, str]
    timestamp: str
    created_timestamp: str | None = None
    ttl: timedelta | None = None
    ties: Sequence[str] = ()


def answers(
    asked: Sequence[Row], timestamp: str, rows: Sequence[Row], rule: Rule, filter_by_created: bool
) -> list[list[Row]]:
    """For each asked row the rows that may be given to it: none, one, or several that `ties` leaves equal."""
    return [_answer(one, timestamp, rows, rule, filter_by_created) for one in asked]


def _answer(one: Row, timestamp: str, rows: Sequence[Row], rule: Rule, filter_by_created: bool) -> list[Row]:
    if one[timestamp] is None:
        return []
    now = moment(one[timestamp])
    best: list[Row] = []
    for row in rows:
        if not _same_key(one, row, rule.keys) or row[rule.timestamp] is None:
            continue
        age = now - moment(row[rule.timestamp])
        if age < 0:
            continue
        if rule.ttl is not None and age > rule.ttl // _MICROSECOND:
            continue
        created = row[rule.created_timestamp] if rule.created_timestamp else None
        if filter_by_created and created is not None and moment(created) > now:
            continue
        if not best or _rank(row, rule) > _rank(best[0], rule):
            best = [row]
        elif _rank(row, rule) == _rank(best[0], rule):
            best.append(row)
    return best


def _same_key(one: Row, row: Row, keys: Mapping[str, str]) -> bool:
    for left, right in keys.items():
        if one[left] is None or row[right] is None or _plain(one[left]) != _plain(row[right]):
            return False
    return True


def _rank(row: Row, rule: Rule) -> tuple[Any, ...]:
    created = row[rule.created_timestamp] if rule.created_timestamp else None
    return (moment(row[rule.timestamp]), order(created), [order(row[name]) for name in rule.ties])


def order(value: Any) -> tuple[Any, ...]:
    """Sorts null first, NaN last, a list by its items from the left."""
    if value is None:
        return (0,)
    if isinstance(value, list):
        return (1, [order(item) for item in value])
    if isinstance(value, float) and math.isnan(value):
        return (2,)
    return (1, _plain(value))


def moment(time: Any) -> int:
    """Microseconds since 1970; nanoseconds are rounded down."""
    if isinstance(time, np.datetime64):
        return int(time.astype("datetime64[ns]").astype(np.int64)) // 1000
    if not isinstance(time, datetime):
        time = datetime(time.year, time.month, time.day)
    if time.tzinfo is not None:
        time = time.astimezone(UTC).replace(tzinfo=None)
    return int((time - _EPOCH) // _MICROSECOND)


def _plain(value: Any) -> Any:
    return moment(value) if isinstance(value, date | np.datetime64) else value
