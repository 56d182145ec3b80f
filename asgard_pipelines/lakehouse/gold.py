"""Building gold tables: a declared SELECT over pinned sources, landed where its rows differ."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pyarrow as pa

from asgard_pipelines.declarations import (
    GoldTable,
    fingerprint,
    next_instant,
    partition_instant,
    partition_keys,
)
from asgard_pipelines.errors import Conflict, Invalid, InvalidSql
from asgard_pipelines.lakehouse.commits import BaseMoved
from asgard_pipelines.lakehouse.filters import naive_utc
from asgard_pipelines.lakehouse.gold_contract import conform
from asgard_pipelines.lakehouse.gold_difference import Partition, Places, changed, need_places, places
from asgard_pipelines.lakehouse.gold_pins import DECLARATION, SOURCES, WHOLE, SnapshotIds, built_state
from asgard_pipelines.lakehouse.gold_stale import iso
from asgard_pipelines.lakehouse.lakehouse import Lakehouse
from asgard_pipelines.lakehouse.pins import AnyOf, Pin, TimeRange
from asgard_pipelines.lakehouse.sql import run_sql
from asgard_pipelines.lakehouse.sql_text import not_deterministic, tables_read

PARTITIONS = "asgard.partitions"
_TRIES = 20


@dataclass(frozen=True)
class Built:
    """`pin` is where the table stands now, `rows` how many the SELECT gave, `changed` the keys of the
    partitions whose rows were replaced ([""] for an unpartitioned table), `reads` what was read."""

    pin: Pin
    rows: int
    changed: list[str]
    reads: list[Pin]


def build(
    lakehouse: Lakehouse,
    table: GoldTable,
    *,
    sources: Mapping[str, Pin],
    watermark: datetime | None,
    partitions: Sequence[str] | None = None,
    key_prefix: str = "",
) -> Built:
    """Compute partitions of a declared table and replace those whose rows differ, in one commit.

    The same commit records from which source snapshots they were computed; when no row differs no
    snapshot is made, and that alone is recorded.

    Args:
        sources: the pin of each table that it reads.
        watermark: up to which instant (UTC) the sources are complete.
        partitions: keys to build; None: all up to the watermark. Unpartitioned tables have none.
        key_prefix: put before the commit's idempotency key.

    Raises:
        InvalidSql: the SELECT cannot be run, depends on when it runs, or gives a row outside the
            partitions that were asked for.
        ColumnNotFound, TypeMismatch: its rows are not what is declared, or what the table can hold.
        Invalid: keys that are none, or a source without a pin.
        Conflict: others write the table all the time.
    """
    job = _Job(lakehouse, table, dict(sources), watermark, _wanted(table, partitions, watermark), key_prefix)
    return job.run()


@dataclass(frozen=True)
class _Job:
    lakehouse: Lakehouse
    table: GoldTable
    sources: dict[str, Pin]
    watermark: datetime | None
    partitions: list[Partition]
    key_prefix: str

    @property
    def source_ids(self) -> SnapshotIds:
        return {name: pin.snapshot_id for name, pin in sorted(self.sources.items())}

    def run(self) -> Built:
        rows, reads = self._compute()
        found = places(rows, self.table.timestamp, self.partitions)
        need_places(self.table.table, rows, self.table.timestamp, found)
        for _ in range(_TRIES):
            try:
                return self._land(rows, found, reads)
            except BaseMoved:  # somebody else has landed since we compared: compare again
                continue
        raise Conflict(f"Others write '{self.table.table}' all the time.", table=self.table.table)

    def _compute(self) -> tuple[pa.Table, list[Pin]]:
        sql = self.table.sql
        if sql is None:
            raise Invalid(
                f"'{self.table.table}' is external: Asgard does not build it.", table=self.table.table
            )
        depends = not_deterministic(sql)
        if depends:
            raise InvalidSql(
                f"'{self.table.table}' uses {', '.join(depends)}: built again it would differ.",
                table=self.table.table,
            )
        unpinned = set(tables_read(sql, self.lakehouse.settings.gold_schema)) - self.sources.keys()
        if unpinned:
            raise Invalid(
                f"'{self.table.table}' reads '{min(unpinned)}', which has no pin.", table=self.table.table
            )
        result = run_sql(self.lakehouse, sql, pins=self.sources, relations={PARTITIONS: self._relation()})
        return conform(self.table, result.table), result.reads

    def _relation(self) -> pa.Table:
        time = pa.timestamp("us")
        watermark = None if self.watermark is None else naive_utc(self.watermark)
        return pa.table(
            {
                "partition_start": pa.array([p.start for p in self.partitions], time),
                "partition_end": pa.array([p.end for p in self.partitions], time),
                "watermark": pa.array([watermark] * len(self.partitions), time),
            }
        )

    def _land(self, rows: pa.Table, found: Places, reads: list[Pin]) -> Built:
        name, exists = self.table.table, self.lakehouse.exists(self.table.table)
        base = self.lakehouse.pin(name) if exists else Pin(name, None)
        standing = self._standing(base) if exists else rows.slice(0, 0)
        standing_found = places(standing, self.table.timestamp, self.partitions)
        indices = changed(rows, found, standing, standing_found, self.lakehouse.settings.thread_count)
        keys = [self.partitions[index].key for index in indices]
        where = self._where(indices) + (self._before_start(base) if exists else [])
        if exists and not keys and not where:
            self.lakehouse.set_properties(name, self._properties, base=base)
            return Built(base, rows.num_rows, [], reads)
        commit = self.lakehouse.overwrite(
            name,
            rows.filter(pa.array(np.isin(found, indices))),
            where=[AnyOf(tuple(where))] if self.table.partition else [],
            key=self._key(base),
            properties={
                SOURCES: json.dumps({pin.table: pin.snapshot_id for pin in reads}),
                DECLARATION: fingerprint(self.table),
            },
            table_properties=self._properties,
            partition_by=self._partition_by,
            base=base,
        )
        return Built(commit.pin, rows.num_rows, keys, reads)

    @property
    def _partition_by(self) -> str | None:
        if self.table.partition is None:
            return None
        return f"{'month' if self.table.partition == 'monthly' else 'day'}({self.table.timestamp})"

    def _standing(self, base: Pin) -> pa.Table:
        """The rows that stand in the partitions to build, and in those between them."""
        starts = [p.start for p in self.partitions if p.start]
        ends = [p.end for p in self.partitions if p.end]
        hull = (
            [TimeRange(self.table.timestamp, min(starts), max(ends))]
            if self.table.timestamp and starts
            else []
        )
        return self.lakehouse.read_table(base, where=hull)

    def _where(self, indices: list[int]) -> list[TimeRange]:
        """The rows of these partitions; neighbours are one range."""
        if self.table.timestamp is None:
            return []
        ranges: list[TimeRange] = []
        for index in indices:
            partition = self.partitions[index]
            if ranges and ranges[-1].end == partition.start:
                ranges[-1] = replace(ranges[-1], end=partition.end)
            else:
                ranges.append(TimeRange(self.table.timestamp, partition.start, partition.end))
        return ranges

    def _before_start(self, base: Pin) -> list[TimeRange]:
        """Rows from before the first partition, which another declaration has left."""
        if self.table.partition is None or self.table.start is None or self.table.timestamp is None:
            return []
        left = TimeRange(
            self.table.timestamp, None, partition_instant(self.table.partition, self.table.start)
        )
        return [left] if self.lakehouse.read_table(base, [self.table.timestamp], [left]).num_rows else []

    def _properties(self, standing: Mapping[str, str]) -> dict[str, str]:
        keys = [partition.key for partition in self.partitions]
        return built_state(self.table, standing).properties(
            self.table, keys, self.source_ids, iso(self.watermark)
        )

    def _key(self, base: Pin) -> str:
        """One key per computation and per state that it was compared with."""
        computed = [
            fingerprint(self.table),
            self.source_ids,
            iso(self.watermark),
            [partition.key for partition in self.partitions],
            base.snapshot_id,
        ]
        digest = hashlib.sha256(json.dumps(computed).encode()).hexdigest()[:32]
        return f"{self.key_prefix}{self.table.table}:{digest}"


def _wanted(table: GoldTable, keys: Sequence[str] | None, watermark: datetime | None) -> list[Partition]:
    if table.partition is None or table.start is None:
        if keys and list(keys) != [WHOLE]:
            raise Invalid(
                f"'{table.table}' has no partitions, and {keys[0]} was asked for.", table=table.table
            )
        return [Partition(WHOLE, None, None)]
    if keys is None:
        keys = [] if watermark is None else partition_keys(table.partition, table.start, watermark)
    partitions = []
    for key in sorted(set(keys)):
        try:
            start = partition_instant(table.partition, key)
        except ValueError:
            raise Invalid(f"'{key}' is no key of a {table.partition} partition.", table=table.table) from None
        partitions.append(Partition(key, naive_utc(start), naive_utc(next_instant(table.partition, start))))
    return partitions
