"""Gold tables: built by Asgard from a SELECT, or external and watched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import Field, field_validator, model_validator

from asgard_pipelines.declarations.declared import ColumnType, Declared, Name, Record
from asgard_pipelines.declarations.duration import Duration
from asgard_pipelines.errors import did_you_mean

Cadence = Literal["daily", "monthly"]


def partition_instant(cadence: Cadence, key: str) -> datetime:
    """The first instant (UTC) of partition `key`: `1997-03` monthly, `1997-03-01` daily.

    Raises:
        ValueError: `key` is not a key of that cadence.
    """
    return datetime.strptime(key, "%Y-%m" if cadence == "monthly" else "%Y-%m-%d").replace(tzinfo=UTC)


def partition_key(cadence: Cadence, instant: datetime) -> str:
    """The key of the partition that `instant` (UTC) falls into."""
    return instant.strftime("%Y-%m" if cadence == "monthly" else "%Y-%m-%d")


def next_instant(cadence: Cadence, instant: datetime) -> datetime:
    """The first instant of the partition after the one that starts at `instant`."""
    if cadence == "daily":
        return instant + timedelta(days=1)
    return instant.replace(year=instant.year + instant.month // 12, month=instant.month % 12 + 1)


def partition_keys(cadence: Cadence, start: str, watermark: datetime) -> list[str]:
    """Keys from `start` to the last partition whose first instant is not after `watermark`."""
    keys, instant = [], partition_instant(cadence, start)
    while instant <= watermark:
        keys.append(partition_key(cadence, instant))
        instant = next_instant(cadence, instant)
    return keys


class Watermark(Record):
    """Up to which instant an external table is complete (exclusive).

    `landed_by` says in what pieces rows arrive: with `month` or `day` the month or day of the
    newest row is complete, so the watermark is its end; with `instant` it is the newest row's
    own time. A table property `asgard.watermark` (ISO 8601) written by whoever lands the
    rows overrides the rule.
    """

    column: Name
    landed_by: Literal["month", "day", "instant"] = "instant"

    def after(self, newest: datetime) -> datetime:
        """The watermark when the newest row's time is `newest` (UTC)."""
        if self.landed_by == "instant":
            return newest
        midnight = newest.replace(hour=0, minute=0, second=0, microsecond=0)
        if self.landed_by == "day":
            return next_instant("daily", midnight)
        return next_instant("monthly", midnight.replace(day=1))


class GoldTable(Declared):
    """One gold table. Key in the graph: `gold/<name>`; table in Iceberg: `<schema>.<name>`."""

    schema_name: Name = "gold"
    entity: list[Name] = Field(default_factory=list)
    """Columns that say whom a row is about."""
    timestamp: Name | None = None
    """The event time's column (UTC)."""
    label: Name | None = None
    columns: dict[Name, ColumnType] = Field(default_factory=dict)
    """Columns that must be there, with their types: the table's contract."""
    partition: Cadence | None = None
    start: str | None = None
    """Key of the first partition."""

    external: bool = False
    watermark: Watermark | None = None
    """External tables only."""
    about_asgard: bool = False
    """External to what is built from data: Asgard fills it from its own history (`platform.py`)."""

    sql: str | None = None
    """The SELECT in Trino's dialect. Reads tables, and `asgard.partitions(partition_start,
    partition_end, watermark)`: one row per partition to build (timestamps, UTC)."""
    reads: list[str] = Field(default_factory=list)
    """Tables the SELECT reads, as `schema.table`, sorted."""
    lookback: Duration | None = None
    """How far before a partition's first instant its rows read; null: all history."""
    lookahead: Duration = timedelta(0)
    """How far after a partition's first instant its rows read."""

    @property
    def table(self) -> str:
        return f"{self.schema_name}.{self.name}"

    @field_validator("entity", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @staticmethod
    def _check_start(cadence: Cadence, start: str) -> None:
        try:
            partition_instant(cadence, start)
        except ValueError:
            example = "1997-03" if cadence == "monthly" else "1997-03-01"
            raise ValueError(f"`start` is '{start}'; a {cadence} partition is called as {example}") from None

    @model_validator(mode="after")
    def _times_are_times(self) -> GoldTable:
        for field, column in (
            ("timestamp", self.timestamp),
            ("watermark", self.watermark.column if self.watermark else None),
        ):
            kind = self.columns.get(column or "", "timestamp")
            if kind != "timestamp":
                raise ValueError(f"`{field}`: column '{column}' is declared as {kind}, which is no timestamp")
        if self.watermark and self.columns and self.watermark.column not in (*self.columns, self.timestamp):
            hint = did_you_mean(self.watermark.column, self.columns)
            raise ValueError(f"`watermark`: '{self.watermark.column}' is not among the `columns`.{hint}")
        return self

    @model_validator(mode="after")
    def _whole(self) -> GoldTable:
        if self.external and self.sql:
            raise ValueError("an external table has no SELECT: Asgard only watches it")
        if not self.external and not self.sql:
            raise ValueError("a table needs a SELECT, or `external: true`")
        if self.watermark and not self.external:
            raise ValueError("`watermark` belongs to external tables; others take it from their sources")
        if self.partition and not self.start:
            raise ValueError("a partitioned table needs `start`, the key of its first partition")
        if self.partition and not self.timestamp:
            raise ValueError(
                "a partitioned table needs `timestamp`, the column that holds its partitions' instants"
            )
        if self.partition and self.start:
            self._check_start(self.partition, self.start)
        if self.external and self.partition and not self.watermark:
            raise ValueError(
                "a partitioned external table needs `watermark`: partitions end where the data ends"
            )
        return self
