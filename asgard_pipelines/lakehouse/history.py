"""The states a table has been in, as its snapshots tell them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from asgard_pipelines.errors import SnapshotNotFound
from asgard_pipelines.lakehouse.catalog import summary_of
from asgard_pipelines.lakehouse.filters import aware_utc

KEY = "asgard.key"
"""The property of a snapshot's summary that holds its idempotency key."""

WRITER = "asgard.writer"
"""The property that tells which call landed a commit, when its answer got lost."""


def as_of(table: Table, name: str, instant: datetime) -> Snapshot:
    """The newest state of the main branch that was committed at or before `instant` (a naive one is UTC).

    The first of the two snapshots that an overwrite of ours makes was never a state, and is passed over.

    Raises:
        SnapshotNotFound: every state that is left is younger, or the table has none.
    """
    limit = aware_utc(instant)
    younger = None
    for snapshot in _line(table):
        if committed(snapshot) <= limit and not _halfway(snapshot, younger):
            return snapshot
        younger = snapshot
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


def with_key(table: Table, key: str) -> Snapshot | None:
    """The last snapshot of the commit that carries `key`, among those the table's state stands on."""
    return next((one for one in _line(table) if summary_of(one).get(KEY) == key), None)


def _line(table: Table) -> Iterator[Snapshot]:
    """What the current state was made from, itself first. Where a parent has expired, the newest one that is
    older comes next: tags keep some."""
    standing = {one.snapshot_id: one for one in table.snapshots()}  # PyIceberg looks through all for each
    snapshot = table.current_snapshot()
    while snapshot is not None:
        yield snapshot
        parent, number = snapshot.parent_snapshot_id, snapshot.sequence_number or 0
        if parent in standing:
            snapshot = standing[parent]
        else:
            older = [one for one in standing.values() if (one.sequence_number or 0) < number]
            snapshot = max(older, key=lambda one: one.sequence_number or 0, default=None)


def committed(snapshot: Snapshot) -> datetime:
    """When it was committed, in milliseconds, UTC."""
    return datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)


def _halfway(snapshot: Snapshot, younger: Snapshot | None) -> bool:
    writer = summary_of(snapshot).get(WRITER)
    return writer is not None and younger is not None and summary_of(younger).get(WRITER) == writer
