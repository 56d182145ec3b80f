"""What one run is to do, and the ground on which that is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg

from asgard_pipelines.declarations import Declarations
from asgard_pipelines.errors import SnapshotNotFound
from asgard_pipelines.graph.observation import Observed, logical_changes
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Decision

if TYPE_CHECKING:
    from asgard_pipelines.lakehouse import Changes, Lakehouse, Pin


@dataclass
class Plan:
    """What one run is to do, and why.

    `gold`: table -> partition keys (empty for an unpartitioned table). `selection` is closed:
    what is built, and all that stands between it and the models and predictions that are due.
    `deferred` are tables that are due, but not in this run: it carries another clock.
    """

    gold: dict[str, list[str]] = field(default_factory=dict)
    deferred: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    predictions: list[str] = field(default_factory=list)
    online: list[str] = field(default_factory=list)
    selection: list[dg.AssetKey] = field(default_factory=list)
    partitions: tuple[str, str] | None = None
    decisions: list[Decision] = field(default_factory=list)

    def decide(self, subject: str, verdict: str, reason: str) -> None:
        """`subject` is an asset key."""
        self.decisions.append(Decision(subject=subject, verdict=verdict, reason=reason))

    def waits(self, subject: str) -> bool:
        return any(d.subject == subject and d.verdict == "wait" for d in self.decisions)

    @property
    def empty(self) -> bool:
        return not self.selection


@dataclass(frozen=True)
class Ground:
    """What a decision looks at. `failures`: model -> (failed runs since its last election, the
    end of the last of them, UTC)."""

    settings: Settings
    lakehouse: Lakehouse
    declarations: Declarations
    observed: Observed
    failures: Mapping[str, tuple[int, datetime]]
    now: datetime

    def obstacle(self, plan: Plan, tables: list[str]) -> str | None:
        """Why what reads `tables` cannot be made in this run, in words; None if it can."""
        deferred = [table for table in tables if table in plan.deferred]
        if deferred:
            return f"{', '.join(deferred)} is built by the next run"
        absent = [t for t in tables if t not in plan.gold and not self.lakehouse.exists(t)]
        return f"{', '.join(absent)} has not been written yet" if absent else None

    def differs(self, plan: Plan, table: str, pinned: Mapping[str, int]) -> bool:
        """Whether `table` holds, or will after this run, other rows than at its pinned snapshot."""
        if table in plan.gold or table not in pinned:
            return True
        try:
            return bool(self.changes(table, pinned[table]))
        except SnapshotNotFound:  # expired: what it held cannot be known any more
            return True

    def changes(self, table: str, since: int | None, by: str | None = None) -> Changes:
        """What changed in `table` since a snapshot; since None, all its rows. Raises SnapshotNotFound.

        `by` is the column of the changed rows' times; None: the one that the table declares.
        """
        after = self.pin(table)
        before = self.lakehouse.pin(table, since) if since else type(after)(table, None)
        return logical_changes(self.settings, self.lakehouse, before, after, by or self.time_column(table))

    def pin(self, table: str) -> Pin:
        """An external table as it was observed: at that snapshot the run reads it that is decided on."""
        return self.observed.pins.get(table) or self.lakehouse.pin(table)

    def time_column(self, table: str) -> str | None:
        declared = self.declarations.gold_by_table.get(table)
        return declared.timestamp if declared else None
