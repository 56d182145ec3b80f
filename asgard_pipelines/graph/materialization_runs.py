"""Materializations that were asked for by an id: which assets they are, and how they went."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg

from asgard_pipelines.declarations import Declarations, Record
from asgard_pipelines.errors import Invalid, NotFound
from asgard_pipelines.graph.days import asked_window, window_tags
from asgard_pipelines.graph.keys import DAYS, ONLINE, days_key, feature_key, online_key
from asgard_pipelines.graph.run_history import MATERIALIZATION_TAG
from asgard_pipelines.graph.run_states import RunStatus, tagged_run
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Materialization, materializations

if TYPE_CHECKING:
    from asgard_pipelines.features.materialization import Window

_STAGES = (ONLINE, DAYS)


class MaterializationState(Record):
    """One that was asked for, over all of its views. Times are UTC; `runs` are the ledger's, one a view."""

    materialization_id: str
    run_id: str
    status: RunStatus
    views: list[str]
    window_start: datetime | None
    window_end: datetime | None
    rows_read: int
    rows_written: int
    rows_skipped: int
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    errors: list[str]
    runs: list[Materialization]

    @property
    def seconds(self) -> float | None:
        """How long it ran, once it has ended."""
        started = self.started_at or self.asked_at
        return (self.ended_at - started).total_seconds() if self.ended_at else None


def new_materialization_id() -> str:
    return f"mat_{secrets.token_hex(8)}"


def asked_assets(
    declarations: Declarations, views: Sequence[str], window: Window | None = None
) -> list[dg.AssetKey]:
    """What brings these views online, or the rows of a window, each with the pin of its table.

    Raises:
        FeatureViewNotFound
        Invalid: none was named, or one of them is not online.
    """
    if not views:
        raise Invalid("Name at least one feature view to materialize.")
    found = [declarations.online_view(name) for name in dict.fromkeys(views)]
    online = online_key if window is None else days_key
    return [key for view in found for key in (feature_key(view), online(view))]


def asked_tags(settings: Settings, materialization_id: str, window: Window | None) -> dict[str, str]:
    """
    Raises:
        Invalid: the window ends before it begins.
    """
    tags = {MATERIALIZATION_TAG: materialization_id}
    return tags if window is None else tags | window_tags(settings, window)


def materialization_state(
    settings: Settings, instance: dg.DagsterInstance, materialization_id: str
) -> MaterializationState:
    """Raises NotFound."""
    state = tagged_run(instance, MATERIALIZATION_TAG, materialization_id)
    if state is None:
        raise NotFound(
            f"Materialization '{materialization_id}' not found.", materialization_id=materialization_id
        )
    runs = materializations(settings, asked_as=materialization_id)
    start, end = asked_window(state.tags) or (None, None)
    errors = [failure.message for failure in state.failures]
    if state.status == "failed" and not errors:
        errors = ["The run ended before its work was done: ask again."]
    return MaterializationState(
        materialization_id=materialization_id,
        run_id=state.run_id,
        status=state.status,
        views=[
            name for stage, _, name in (asset.partition("/") for asset in state.assets) if stage in _STAGES
        ],
        window_start=start,
        window_end=end,
        rows_read=sum(run.rows_read for run in runs),
        rows_written=sum(run.written for run in runs),
        rows_skipped=sum(run.skipped for run in runs),
        asked_at=state.asked_at,
        started_at=state.started_at,
        ended_at=state.ended_at,
        errors=errors,
        runs=runs,
    )
