"""Names of what is read: a table at a snapshot, and which of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, order=True)
class Pin:
    """A table at one snapshot. `snapshot_id` is None for a table that has none yet."""

    table: str
    """`schema.table`."""
    snapshot_id: int | None

    def __str__(self) -> str:
        return f"{self.table}@{self.snapshot_id}"


@dataclass(frozen=True)
class TimeRange:
    """Rows whose `column` lies in [start, end). A naive time is UTC; None leaves that end open."""

    column: str
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True)
class OneOf:
    """Rows whose `column` equals one of `values` (none: no row)."""

    column: str
    values: tuple[str | int | bool | datetime, ...]


@dataclass(frozen=True)
class Between:
    """Rows whose `column` lies in [low, high], both included."""

    column: str
    low: str | int
    high: str | int


@dataclass(frozen=True)
class AnyOf:
    """Rows that meet at least one of `predicates` (none: no row)."""

    predicates: tuple[TimeRange | OneOf | Between, ...]


Predicate = TimeRange | OneOf | Between | AnyOf
"""A sequence of predicates is their AND."""
