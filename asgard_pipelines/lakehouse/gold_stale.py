"""Which partitions of a gold table have to be built again, decided by level: what stands against what is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from asgard_pipelines.declarations import GoldTable, partition_instant, partition_keys
from asgard_pipelines.errors import Invalid, SnapshotNotFound
from asgard_pipelines.lakehouse.changes import Changes
from asgard_pipelines.lakehouse.filters import aware_utc
from asgard_pipelines.lakehouse.gold_pins import WHOLE, SnapshotIds, Standing, built_state, pins_of
from asgard_pipelines.lakehouse.lakehouse import Lakehouse
from asgard_pipelines.lakehouse.pins import Pin

WATERMARK = "asgard.watermark"
"""The table property in which whoever lands rows may say up to which instant they are complete."""

Difference = Callable[[Pin, Pin, str | None], Changes]
"""`Lakehouse.changes`, or something that remembers its answers."""


def watermark(lakehouse: Lakehouse, table: GoldTable, pin: Pin) -> datetime | None:
    """Up to which instant (UTC, exclusive) an external table is complete; None when nothing says it.

    Raises:
        Invalid: the table's property `asgard.watermark` is no time.
        TableNotFound, SnapshotNotFound, ColumnNotFound, TypeMismatch
    """
    written = lakehouse.catalog.load(pin.table).properties.get(WATERMARK)
    if written is not None:
        try:
            return aware_utc(datetime.fromisoformat(written))
        except ValueError:
            raise Invalid(
                f"Property '{WATERMARK}' of '{pin.table}' is '{written}', and has to be an ISO 8601 time.",
                table=pin.table,
            ) from None
    if table.watermark is None:
        return None
    newest = lakehouse.newest(pin, table.watermark.column)
    return None if newest is None else table.watermark.after(newest)


def stale(
    lakehouse: Lakehouse,
    table: GoldTable,
    *,
    sources: Mapping[str, Pin],
    time_columns: Mapping[str, str | None],
    watermark: datetime | None,
    changes: Difference | None = None,
) -> list[str]:
    """Keys of the partitions that have to be built again, sorted; [""] for an unpartitioned table.

    A partition is stale when it was never built as now declared; when a source has changed since, as
    far as the changed rows' times reach into what the partition reads; or when it was built before
    the watermark had passed all that it reads, and the watermark has moved.

    Args:
        sources: the pin of every table it reads, as it would be built now.
        time_columns: the time column of each source; without one every change counts.
        watermark: up to which instant (UTC) the sources are complete; None: no partition exists yet.
        changes: `Lakehouse.changes` by default.
    """
    keys = _keys(table, watermark)
    if not lakehouse.exists(table.table):
        return keys
    standing = built_state(table, lakehouse.catalog.load(table.table).properties)
    judge = _Judge(
        table, standing, dict(sources), dict(time_columns), watermark, changes or lakehouse.changes
    )
    return [key for key in keys if judge.is_stale(key)]


def roots_read(
    lakehouse: Lakehouse,
    table: GoldTable,
    *,
    sources: Mapping[str, Pin],
    time_columns: Mapping[str, str | None],
    watermark: datetime | None,
    changes: Difference | None = None,
) -> dict[str, int | None]:
    """Per source the snapshot up to which all of the table is current: the one in `sources` when no
    partition is stale, else the oldest that a partition was computed from."""
    if not stale(
        lakehouse, table, sources=sources, time_columns=time_columns, watermark=watermark, changes=changes
    ):
        return {source: pin.snapshot_id for source, pin in sources.items()}
    recorded = [pins for _, _, pins in pins_of(lakehouse, table)]
    return {source: _oldest(lakehouse, source, [pins.get(source) for pins in recorded]) for source in sources}


def _oldest(lakehouse: Lakehouse, source: str, ids: Sequence[int | None]) -> int | None:
    table = lakehouse.catalog.load(source)

    def age(snapshot_id: int) -> int:
        snapshot = table.snapshot_by_id(snapshot_id)
        return snapshot.sequence_number or 0 if snapshot else -1  # expired: older than all that stand

    known = [snapshot_id for snapshot_id in ids if snapshot_id is not None]
    return min(known, key=age) if len(known) == len(ids) and known else None


def _keys(table: GoldTable, watermark: datetime | None) -> list[str]:
    if table.partition is None or table.start is None:
        return [WHOLE]
    return [] if watermark is None else partition_keys(table.partition, table.start, watermark)


@dataclass
class _Judge:
    table: GoldTable
    standing: Standing
    sources: dict[str, Pin]
    time_columns: dict[str, str | None]
    watermark: datetime | None
    changes: Difference
    known: dict[tuple[str, int | None], Changes | None] = field(default_factory=dict)

    def is_stale(self, key: str) -> bool:
        pins: SnapshotIds | None = self.standing.pins.at(key)
        if pins is None or pins.keys() != self.sources.keys():
            return True
        if self._was_incomplete(key):
            return True
        return any(self._reaches(key, source, snapshot_id) for source, snapshot_id in pins.items())

    def _was_incomplete(self, key: str) -> bool:
        """Built when the watermark had not passed all that the partition reads, and it has moved since."""
        written = self.standing.watermarks.at(key)
        before = None if written is None else datetime.fromisoformat(written)
        if before == self.watermark:
            return False
        if self.table.partition is None or before is None:
            return True
        return before < partition_instant(self.table.partition, key) + self.table.lookahead

    def _reaches(self, key: str, source: str, snapshot_id: int | None) -> bool:
        """Whether rows of `source` that changed since have times that the partition reads."""
        changed = self._since(source, snapshot_id)
        if changed is None:
            return True
        if not changed:
            return False
        if self.table.partition is None or changed.first is None or changed.last is None:
            return True
        instant = partition_instant(self.table.partition, key)
        if changed.first >= instant + self.table.lookahead:
            return False
        return self.table.lookback is None or changed.last >= instant - self.table.lookback

    def _since(self, source: str, snapshot_id: int | None) -> Changes | None:
        """What changed since a snapshot; None when that has expired, and nobody can tell."""
        if (source, snapshot_id) not in self.known:
            before = Pin(self.sources[source].table, snapshot_id)
            try:
                found = self.changes(before, self.sources[source], self.time_columns.get(source))
            except SnapshotNotFound:
                found = None
            self.known[source, snapshot_id] = found
        return self.known[source, snapshot_id]


def iso(instant: datetime | None) -> str | None:
    """A watermark as the table property holds it."""
    return None if instant is None else instant.astimezone(UTC).isoformat()
