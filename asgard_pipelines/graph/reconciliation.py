"""What is due: the decision by level, not by edge.

A gold table is due when its sources differ logically from the snapshots its partitions were
computed from; a model when the tables its last elected version was trained on do; a prediction
table when its input has rows that its model's elected version has not scored. Nothing is
remembered of a landing, so nothing is lost with a cursor, and what failed is still due.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from asgard_pipelines.declarations import (
    Declarations,
    GoldTable,
    Prediction,
    ResolvedModel,
    fingerprint,
)
from asgard_pipelines.graph.clocks import Clock, clock_watermark, clocks
from asgard_pipelines.graph.keys import (
    candidate_key,
    feature_key,
    gold_key,
    model_key,
    online_key,
    prediction_key,
    training_set_key,
)
from asgard_pipelines.graph.observation import Observed, logical_changes
from asgard_pipelines.graph.prediction_assets import follows_champion, qualified, view_tables
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Decision, ElectionRecord, last_election

if TYPE_CHECKING:
    from asgard_pipelines.lakehouse import Lakehouse

FIRST_PAUSE_SECONDS = 30
LONGEST_PAUSE_SECONDS = 3600
"""How long a model that failed to train waits: twice as long after each further failure."""


@dataclass
class Plan:
    """What one run is to do, and why.

    `gold`: table -> partition keys (empty for an unpartitioned table). `selection` is closed:
    what is built, and all that stands between it and the models and predictions that are due.
    """

    gold: dict[str, list[str]] = field(default_factory=dict)
    models: list[str] = field(default_factory=list)
    predictions: list[str] = field(default_factory=list)
    online: list[str] = field(default_factory=list)
    selection: list[dg.AssetKey] = field(default_factory=list)
    partitions: tuple[str, str] | None = None
    decisions: list[Decision] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not self.selection


@dataclass(frozen=True)
class Ground:
    """What a decision looks at. `failures`: model -> (failed runs since its last election, the
    end of the last of them, UTC). `offline`: online views that have never been materialized."""

    settings: Settings
    lakehouse: Lakehouse
    declarations: Declarations
    observed: Observed
    failures: Mapping[str, tuple[int, datetime]]
    offline: list[str]
    now: datetime


def reconciliation(ground: Ground) -> Plan:
    """What is due now."""
    plan = Plan()
    _decide_gold(ground, plan)
    clock = _one_clock(ground, plan)
    if clock is None:
        for resolved in ground.declarations.models:
            _decide_model(ground, plan, resolved)
        for prediction in ground.declarations.predictions:
            _decide_prediction(ground, plan, prediction)
        _decide_online(ground, plan)
    _close(ground, plan)
    return plan


def _decide_gold(ground: Ground, plan: Plan) -> None:
    from asgard_pipelines.lakehouse import stale

    declarations, clock_of = ground.declarations, clocks(ground.declarations)
    changes = partial(logical_changes, ground.settings, ground.lakehouse)
    for table in _upstream_first(declarations):
        sources = {source: ground.lakehouse.pin(source) for source in table.reads if ground.lakehouse.exists(source)}
        pending = [source for source in table.reads if source in plan.gold]
        absent = [source for source in table.reads if source not in sources and source not in pending]
        if absent:
            _decided(plan, table, "wait", f"{', '.join(absent)} has not been written yet")
            continue
        clock = clock_of.get(table.table)
        mark = clock_watermark(clock, ground.observed.watermarks) if clock else None
        keys = stale(
            ground.lakehouse,
            table,
            sources=sources,
            time_columns={s: _time_column(declarations, s) for s in sources},
            watermark=mark,
            changes=changes,
        )
        keys = sorted({*keys, *(key for source in pending for key in plan.gold[source])})
        if keys:
            plan.gold[table.table] = keys if clock else []
            _decided(plan, table, "build", _keys_in_words(keys) if clock else "its sources changed")


def _one_clock(ground: Ground, plan: Plan) -> Clock | None:
    """A run carries one clock. With several due, this run builds the first one's tables only and
    the models wait for the next; the clock that was chosen, or None when there was no choice."""
    clock_of = clocks(ground.declarations)
    ticking = sorted({clock_of[table] for table in plan.gold if table in clock_of}, key=lambda c: c.name)
    if ticking:
        keys = sorted({key for table, ks in plan.gold.items() if clock_of.get(table) == ticking[0] for key in ks})
        plan.partitions = (keys[0], keys[-1])
    if len(ticking) < 2:
        return None
    for table in list(plan.gold):
        if table in clock_of and clock_of[table] != ticking[0]:
            del plan.gold[table]
    return ticking[0]


def _decide_model(ground: Ground, plan: Plan, resolved: ResolvedModel) -> None:
    model = resolved.model
    verdict, reason = _model_verdict(ground, plan, resolved)
    plan.decisions.append(Decision(subject=f"models/{model.name}", verdict=verdict, reason=reason))
    if verdict in ("train", "retry"):
        plan.models.append(model.name)


def _model_verdict(ground: Ground, plan: Plan, resolved: ResolvedModel) -> tuple[str, str]:
    name = resolved.model.name
    absent = [t for t in resolved.tables if t not in plan.gold and not ground.lakehouse.exists(t)]
    if absent:
        return "wait", f"{', '.join(absent)} has not been written yet"
    last = last_election(ground.settings, name)
    verdict, reason = _due(ground, plan, resolved, last)
    failed, ended = ground.failures.get(name, (0, ground.now))
    if verdict != "train" or not failed:
        return verdict, reason
    pause = min(FIRST_PAUSE_SECONDS * 2 ** (failed - 1), LONGEST_PAUSE_SECONDS)
    if (ground.now - ended).total_seconds() < pause:
        return "wait", f"{reason}; {_times(failed)} failed, the next try waits {pause} s"
    return "retry", f"{reason}; {_times(failed)} failed before"


def _due(
    ground: Ground, plan: Plan, resolved: ResolvedModel, last: ElectionRecord | None
) -> tuple[str, str]:
    if last is None:
        return "train", "never trained"
    if last.declaration != fingerprint(resolved):
        return "train", "its declaration changed"
    policy = resolved.model.retrain
    if policy is False:
        return "skip", "its policy says never to retrain"
    differing = [table for table in resolved.tables if _differs(ground, plan, table, last.sources)]
    if not differing:
        return "skip", f"nothing changed since version {last.version}"
    counted = policy.on or resolved.roots
    rows = {table: _changed_rows(ground, table, last) for table in counted}
    total = sum(rows.values())
    if total < policy.min_changed_rows and (policy.on or policy.min_changed_rows > 1):
        return "skip", f"{total:,} changed rows in {', '.join(counted)}; its policy waits for {policy.min_changed_rows:,}"
    age = ground.now - last.at
    if age < policy.min_interval:
        return "skip", f"trained {_span(age.total_seconds())} ago; its policy waits {_span(policy.min_interval.total_seconds())}"
    changed = ", ".join(f"{n:,} rows changed in {table}" for table, n in rows.items() if n)
    return "train", changed or f"{', '.join(differing)} was built again"


def _differs(ground: Ground, plan: Plan, table: str, pinned: Mapping[str, int]) -> bool:
    if table in plan.gold:
        return True
    if table not in pinned:
        return True
    current = ground.lakehouse.pin(table)
    if current.snapshot_id == pinned[table]:
        return False
    before = ground.lakehouse.pin(table, pinned[table])
    column = _time_column(ground.declarations, table)
    return bool(logical_changes(ground.settings, ground.lakehouse, before, current, column))


def _changed_rows(ground: Ground, table: str, last: ElectionRecord) -> int:
    """Rows that changed since the last version; all of them where it knows no snapshot of the table."""
    current = ground.lakehouse.pin(table)
    snapshot = {**last.sources, **last.roots}.get(table)
    before = ground.lakehouse.pin(table, snapshot) if snapshot else type(current)(table, None)
    column = _time_column(ground.declarations, table)
    return logical_changes(ground.settings, ground.lakehouse, before, current, column).rows


def _decide_prediction(ground: Ground, plan: Plan, prediction: Prediction) -> None:
    verdict, reason = _prediction_verdict(ground, plan, prediction)
    plan.decisions.append(Decision(subject=f"predictions/{prediction.name}", verdict=verdict, reason=reason))
    if verdict == "predict":
        plan.predictions.append(prediction.name)


def _prediction_verdict(ground: Ground, plan: Plan, prediction: Prediction) -> tuple[str, str]:
    from asgard_pipelines.predictions import last_published

    declarations, lakehouse = ground.declarations, ground.lakehouse
    tables = {qualified(declarations, prediction.input_table), *view_tables(declarations, prediction.feature_views)}
    absent = [t for t in sorted(tables) if t not in plan.gold and not lakehouse.exists(t)]
    if absent:
        return "wait", f"{', '.join(absent)} has not been written yet"
    version = None
    if follows_champion(declarations, prediction):
        if prediction.model_id in plan.models:
            return "predict", f"{prediction.model_id} elects in the same run"
        if _waits(plan, f"models/{prediction.model_id}"):
            return "wait", f"{prediction.model_id} is due and waits"
        election = last_election(ground.settings, prediction.model_id)
        if election is None:
            return "wait", f"{prediction.model_id} has no elected version yet"
        version = election.version
    last = last_published(lakehouse, prediction)
    if last is None:
        return "predict", "never published"
    if last.declaration != fingerprint(prediction):
        return "predict", "its declaration changed"
    if version and last.model_version != version:
        return "predict", f"{prediction.model_id} elected {version}"
    differing = [t for t in sorted(tables) if _differs(ground, plan, t, last.sources)]
    if differing:
        return "predict", f"{', '.join(differing)} changed"
    return "skip", f"up to date with version {last.model_version}"


def _decide_online(ground: Ground, plan: Plan) -> None:
    """A view goes online with its table's first rows; from then on the schedule keeps it."""
    for name in ground.offline:
        view = ground.declarations.view(name)
        if view.table in plan.gold or ground.lakehouse.exists(view.table):
            plan.online.append(name)
            reason = "never materialized; the schedule keeps it from now on"
            plan.decisions.append(Decision(subject=f"online/{name}", verdict="build", reason=reason))


def _waits(plan: Plan, subject: str) -> bool:
    return any(d.subject == subject and d.verdict == "wait" for d in plan.decisions)


def _close(ground: Ground, plan: Plan) -> None:
    """Selects what is due and everything between."""
    declarations = ground.declarations
    chosen = [gold_key(declarations.gold_by_table[table]) for table in plan.gold]
    views: set[str] = {view.name for view in declarations.views if view.table in plan.gold}
    for name in plan.models:
        resolved = declarations.model(name)
        views |= {*resolved.views, *resolved.on_demand_views}
        chosen += [training_set_key(resolved.model), model_key(resolved.model)]
        chosen += [candidate_key(resolved.model, c.name) for c in resolved.model.all_candidates]
    for name in plan.online:
        views.add(name)
        chosen.append(online_key(declarations.view(name)))
    for name in plan.predictions:
        prediction = declarations.prediction(name)
        views |= set(prediction.feature_views)
        chosen.append(prediction_key(prediction))
    on_demand = [view for view in declarations.on_demand_views if view.name in views or set(view.sources) & views]
    views |= {source for view in on_demand for source in view.sources}
    plain = [view for view in declarations.views if view.name in views]
    plan.selection = [*chosen, *(feature_key(view) for view in [*plain, *on_demand])]


def _upstream_first(declarations: Declarations) -> list[GoldTable]:
    built = {table.table: table for table in declarations.gold if not table.external}
    ordered: list[GoldTable] = []

    def visit(table: GoldTable) -> None:
        for source in table.reads:
            if source in built:
                visit(built[source])
        if table not in ordered:
            ordered.append(table)

    for table in built.values():
        visit(table)
    return ordered


def _time_column(declarations: Declarations, table: str) -> str | None:
    declared = declarations.gold_by_table.get(table)
    return declared.timestamp if declared else None


def _decided(plan: Plan, table: GoldTable, verdict: str, reason: str) -> None:
    plan.decisions.append(Decision(subject=f"gold/{table.name}", verdict=verdict, reason=reason))


def _keys_in_words(keys: list[str]) -> str:
    if len(keys) == 1:
        return f"partition {keys[0]} is due"
    return f"{len(keys)} partitions from {keys[0]} to {keys[-1]} are due"


def _times(count: int) -> str:
    return "one run" if count == 1 else f"{count} runs"


def _span(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
