"""What a point-in-time engine does, whichever it is: look features up as of each asked row's own time.

The promise, held by one conformance suite over every engine: an asked row at time t gets, from each
lookup, the row of its key with the newest event time in [t - ttl, t], both ends included; among equal
event times the newest created time (a null one loses), then the greatest values. Where
`filter_by_created` is on, a row created after t does not count. Every asked row comes back once, in its
place; nulls stand where nothing was found. A naive time is UTC; no null matches anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import pyarrow as pa

from asgard_pipelines.lakehouse import Pin, Source


@dataclass(frozen=True)
class Lookup:
    """One source in which every asked row is looked up.

    `keys`: asked column -> the source's column. None at all: any row of the source may be the one.
    `columns`: name in the result -> the source's column.
    `ties`: the source's columns whose values decide between rows of one key, event time and created
    time; they should not depend on which columns are asked for.
    """

    name: str
    source: Source
    keys: Mapping[str, str]
    timestamp: str
    columns: Mapping[str, str]
    created_timestamp: str | None = None
    ttl: timedelta | None = None
    """None never expires."""
    ties: Sequence[str] = ()


@dataclass(frozen=True)
class Found:
    """What one lookup found: the share of the asked rows (0 when there are none), and the newest event
    time (UTC) that a row was given."""

    coverage: float
    newest: datetime | None


class JoinedRows(Protocol):
    """The result of a join, read once or often, until it is closed (it may hold temporary files)."""

    @property
    def schema(self) -> pa.Schema:
        """The asked columns, then each lookup's, in the order of the lookups; in plain types."""

    @property
    def num_rows(self) -> int: ...

    @property
    def found(self) -> Mapping[str, Found]:
        """By lookup."""

    @property
    def reads(self) -> Sequence[Pin]:
        """What was read, sorted, each once."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in the order asked, a bounded number at a time."""

    def table(self) -> pa.Table:
        """All rows in memory."""

    def close(self) -> None: ...


class Engine(Protocol):
    def join(
        self, asked: pa.Table, timestamp: str, lookups: Sequence[Lookup], *, filter_by_created: bool
    ) -> JoinedRows:
        """Looks every row of `asked` up in each of the lookups.

        Args:
            asked: any order, repetitions and nulls are fine. Its columns come back as they are.
            timestamp: the column of `asked` as of which its rows are asked.

        Raises:
            ColumnNotFound, TypeMismatch: a key or a time that is missing or of another kind.
            Invalid: two columns of the result would have one name.
        """
