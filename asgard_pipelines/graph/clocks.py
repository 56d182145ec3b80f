"""Clocks: the partitions that tables of one cadence over the same external tables share.

Partitions end where the data ends, and data grows while Dagster runs, so a clock is a
dynamic set of keys that follows the external tables' watermark. Assets of one clock can be
built by one run; a run carries at most one clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from asgard_pipelines.declarations import Cadence, Declarations, GoldTable, partition_keys


@dataclass(frozen=True)
class Clock:
    """`roots` are the external tables whose watermark drives it; `start` its first key."""

    cadence: Cadence
    roots: tuple[str, ...]
    start: str

    @property
    def name(self) -> str:
        return f"{self.cadence} of {' + '.join(self.roots)}"

    @property
    def partitions(self) -> dg.DynamicPartitionsDefinition:
        return dg.DynamicPartitionsDefinition(name=self.name)

    def keys(self, watermark: datetime | None) -> list[str]:
        """All keys up to `watermark` (UTC); none without one."""
        return [] if watermark is None else partition_keys(self.cadence, self.start, watermark)


def table_roots(declarations: Declarations, table: str) -> list[str]:
    """The external tables that `table` is made from, itself if it is one; sorted."""
    declared = declarations.gold_by_table.get(table)
    if declared is None or declared.external:
        return [table]
    return sorted({root for source in declared.reads for root in table_roots(declarations, source)})


def clock_watermark(clock: Clock, watermarks: Mapping[str, datetime | None]) -> datetime | None:
    """The instant up to which all of the clock's external tables are complete."""
    known = [watermarks.get(root) for root in clock.roots]
    return None if None in known or not known else min(w for w in known if w is not None)


def clocks(declarations: Declarations) -> dict[str, Clock]:
    """`schema.table` -> its clock, for every partitioned table."""
    partitioned = [table for table in declarations.gold if table.partition]
    starts: dict[tuple[Cadence, tuple[str, ...]], str] = {}
    for table in partitioned:
        beat = _beat(declarations, table)
        starts[beat] = min(starts.get(beat, table.start or ""), table.start or "")
    return {
        table.table: Clock(*_beat(declarations, table), start=starts[_beat(declarations, table)])
        for table in partitioned
    }


def _beat(declarations: Declarations, table: GoldTable) -> tuple[Cadence, tuple[str, ...]]:
    assert table.partition is not None
    watched = tuple(
        root
        for root in table_roots(declarations, table.table)
        if (declared := declarations.gold_by_table.get(root)) and declared.watermark
    )
    return table.partition, watched
