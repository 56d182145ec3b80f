"""The states a table has been in, as its snapshots tell them."""

from __future__ import annotations

from datetime import UTC, datetime

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from asgard_pipelines.errors import SnapshotNotFound
from asgard_pipelines.lakehouse.catalog import summary_of
from asgard_pipelines.lakehouse.commits import WRITER, before
from asgard_pipelines.lakehouse.filters import aware_utc


def as_of(table: Table, name: str, instant: datetime) -> Snapshot:
    """The newest state of the main branch that was committed at or before `instant` (a naive one is UTC).

    The first of the two snapshots that an overwrite of ours makes was never a state, and is passed over.

    Raises:
        SnapshotNotFound: every state that is left is younger, or the table has none.
    """
    limit = aware_utc(instant)
    snapshot, younger = table.current_snapshot(), None
    while snapshot is not None:
        if committed(snapshot) <= limit and not _halfway(snapshot, younger):
            return snapshot
        snapshot, younger = before(table, snapshot), snapshot
    oldest = f" The oldest one there is: {younger.snapshot_id} of {committed(younger)}." if younger else ""
    raise SnapshotNotFound(
        f"Table '{name}' has no snapshot as old as {limit}.{oldest}",
        table=name,
        as_of=limit.isoformat(),
        oldest=younger.snapshot_id if younger else None,
    )


def descends(table: Table, snapshot_id: int | None, older: int, *, by_appends: bool) -> bool:
    """Whether `older` is the snapshot or one that it was made from, as far as its history is left; by nothing
    but appends, if so asked."""
    snapshot = table.snapshot_by_id(snapshot_id) if snapshot_id is not None else None
    while snapshot is not None and snapshot.snapshot_id != older:
        if by_appends and summary_of(snapshot).get("operation") != "append":
            return False
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent is not None else None
    return snapshot is not None


def committed(snapshot: Snapshot) -> datetime:
    """When it was committed, in milliseconds, UTC."""
    return datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)


def _halfway(snapshot: Snapshot, younger: Snapshot | None) -> bool:
    writer = summary_of(snapshot).get(WRITER)
    return writer is not None and younger is not None and summary_of(younger).get(WRITER) == writer
