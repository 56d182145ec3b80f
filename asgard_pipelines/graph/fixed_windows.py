"""Models with a fixed window: which changes of their tables they can never learn from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from asgard_pipelines.declarations import ResolvedModel
from asgard_pipelines.errors import ColumnNotFound, SnapshotNotFound, TypeMismatch
from asgard_pipelines.graph.plan import Ground, Plan
from asgard_pipelines.state import ElectionRecord

if TYPE_CHECKING:
    from asgard_pipelines.lakehouse import Changes

_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)


def outside(ground: Ground, plan: Plan, resolved: ResolvedModel, table: str, last: ElectionRecord) -> bool:
    """Whether all rows of `table` that changed since the last version lie outside of the model's window.

    Of the source's rows those in the window count; of a view's table those as well that lie so long before
    it as the view's TTL. Where that cannot be known any more, they do not lie outside.
    """
    end = resolved.model.training_data.end_date
    if end is None or table in plan.gold or table not in last.sources:
        return False
    try:
        return not any(
            _reached(ground.changes(table, last.sources[table], column), earliest, end)
            for column, earliest in _looked_at(ground, resolved, table)
        )
    except (SnapshotNotFound, ColumnNotFound, TypeMismatch):
        return False


def _looked_at(ground: Ground, resolved: ResolvedModel, table: str) -> list[tuple[str, datetime]]:
    """The columns by which the table is read, each with the earliest time that is."""
    data = resolved.model.training_data
    start = data.start_date or _EARLIEST
    found = [(data.event_timestamp_column, start)] if table == resolved.source else []
    for name in resolved.views:
        view = ground.declarations.view(name)
        if view.table == table:
            reach = start - _EARLIEST if view.ttl is None else view.ttl
            found.append((view.timestamp, start - min(reach, start - _EARLIEST)))
    return found


def _reached(changes: Changes, earliest: datetime, end: datetime) -> bool:
    if changes.first is None or changes.last is None:
        return bool(changes)
    first, last = _utc(changes.first), _utc(changes.last)
    return first < end + timedelta(microseconds=1) and last >= earliest


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
