"""Keeping up with the data: observe, decide, and ask for one run. The sensor and the demo share it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from asgard_pipelines.declarations import Declarations
from asgard_pipelines.graph.instance import open_instance
from asgard_pipelines.graph.observation import Observed, observe
from asgard_pipelines.graph.plan import Ground, Plan
from asgard_pipelines.graph.reconciliation import reconciliation
from asgard_pipelines.graph.run_history import (
    MODELS_TAG,
    PLAN_TAG,
    RANGE_END,
    RANGE_START,
    bury_dead_runs,
    run_under_way,
    training_failures,
    unsuccessful_tries,
)
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Decision, pin_once, record_decision

if TYPE_CHECKING:
    from asgard_pipelines.lakehouse import Lakehouse


@dataclass
class Step:
    """One look at the world. `request` is the run to start, or None with `reason` why not."""

    observed: Observed
    plan: Plan
    request: dg.RunRequest | None
    reason: str


def next_step(
    settings: Settings, lakehouse: Lakehouse, declarations: Declarations, instance: dg.DagsterInstance
) -> Step:
    """What is to be done now. Decisions are recorded when they differ from the last ones."""
    bury_dead_runs(settings, instance)
    observed, plan = _look(settings, lakehouse, declarations, instance)
    if plan.empty:
        _record(settings, plan)
        return Step(observed, plan, None, _why_nothing(plan, observed))
    busy = run_under_way(instance, plan.selection)
    if busy:
        return Step(observed, plan, None, f"run {busy[:8]} is under way; what landed is decided after it")
    request = request_for(settings, lakehouse, observed, plan, instance)
    _record(settings, plan)
    return Step(observed, plan, request, _summary(plan))


def due(settings: Settings, declarations: Declarations) -> list[Decision]:
    """What would be decided now, with the reasons; nothing is recorded and no run is asked for."""
    from asgard_pipelines.lakehouse import Lakehouse

    with open_instance(settings) as instance:
        return _look(settings, Lakehouse(settings), declarations, instance)[1].decisions


def _look(
    settings: Settings, lakehouse: Lakehouse, declarations: Declarations, instance: dg.DagsterInstance
) -> tuple[Observed, Plan]:
    ground = ground_of(settings, lakehouse, declarations, instance)
    return ground.observed, reconciliation(ground)


def ground_of(
    settings: Settings, lakehouse: Lakehouse, declarations: Declarations, instance: dg.DagsterInstance
) -> Ground:
    """What stands now, to decide on."""
    return Ground(
        settings,
        lakehouse,
        declarations,
        observe(settings, lakehouse, declarations, instance),
        training_failures(settings, instance, declarations),
        datetime.now(UTC),
    )


def request_for(
    settings: Settings, lakehouse: Lakehouse, observed: Observed, plan: Plan, instance: dg.DagsterInstance
) -> dg.RunRequest:
    """The run that does what is planned; it reads the external tables as they were observed."""
    decided = {table: pin.snapshot_id for table, pin in observed.pins.items()}
    stands = {state.table: state.snapshot_id for state in lakehouse.tables()} | decided
    identity = json.dumps(
        [
            sorted(key.to_user_string() for key in plan.selection),
            plan.partitions,
            sorted(f"{table}@{snapshot}" for table, snapshot in stands.items()),
        ]
    )
    plan_hash = hashlib.sha256(identity.encode()).hexdigest()[:16]
    for table, snapshot in decided.items():
        if snapshot is not None:
            pin_once(settings, plan_hash, table, snapshot)
    tags = {PLAN_TAG: plan_hash, "dagster/max_runtime": "7200"}
    if plan.models:
        tags[MODELS_TAG] = ",".join(plan.models)
    if plan.partitions:
        tags |= {RANGE_START: plan.partitions[0], RANGE_END: plan.partitions[1]}
    return dg.RunRequest(
        run_key=f"{plan_hash}/{unsuccessful_tries(instance, plan_hash)}",
        asset_selection=plan.selection,
        tags=tags,
    )


def _record(settings: Settings, plan: Plan) -> None:
    for decision in plan.decisions:
        record_decision(settings, decision)


def _summary(plan: Plan) -> str:
    parts = []
    if plan.gold:
        parts.append(f"build {', '.join(plan.gold)}")
    if plan.models:
        parts.append(f"retrain {', '.join(plan.models)}")
    if plan.online:
        parts.append(f"bring {', '.join(plan.online)} online")
    if plan.predictions:
        parts.append(f"predict {', '.join(plan.predictions)}")
    return "; ".join(parts)


def _why_nothing(plan: Plan, observed: Observed) -> str:
    reasons = [f"{d.subject}: {d.reason}" for d in plan.decisions if d.verdict in ("wait", "skip")]
    reasons += [f"{table} has not been written yet" for table in observed.missing]
    return "Nothing is due. " + "; ".join(reasons)
