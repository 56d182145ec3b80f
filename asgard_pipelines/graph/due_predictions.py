"""Which prediction tables are due, and which views are to go online."""

from __future__ import annotations

from datetime import timedelta
from itertools import takewhile

from asgard_pipelines.declarations import Prediction, fingerprint
from asgard_pipelines.graph.due_models import pause_after
from asgard_pipelines.graph.plan import Ground, Plan
from asgard_pipelines.graph.prediction_assets import follows_champion, view_tables
from asgard_pipelines.graph.run_history import not_online
from asgard_pipelines.state import last_election, materializations


def decide_prediction(ground: Ground, plan: Plan, prediction: Prediction) -> None:
    verdict, reason = _prediction_verdict(ground, plan, prediction)
    plan.decide(f"predictions/{prediction.name}", verdict, reason)
    if verdict == "predict":
        plan.predictions.append(prediction.name)


def _prediction_verdict(ground: Ground, plan: Plan, prediction: Prediction) -> tuple[str, str]:
    from asgard_pipelines.predictions import last_published

    declarations, lakehouse = ground.declarations, ground.lakehouse
    views = view_tables(declarations, prediction.feature_views)
    tables = sorted({prediction.input_table, *views})
    obstacle = ground.obstacle(plan, tables)
    if obstacle:
        return "wait", obstacle
    version = None
    if follows_champion(declarations, prediction):
        if prediction.model_id in plan.models:
            return "predict", f"{prediction.model_id} elects in the same run"
        if plan.waits(f"models/{prediction.model_id}"):
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
    differing = [table for table in tables if ground.differs(plan, table, last.sources)]
    if differing:
        return "predict", f"{', '.join(differing)} changed"
    return "skip", f"up to date with version {last.model_version}"


def decide_online(ground: Ground, plan: Plan) -> None:
    """A view goes online with its table's first rows, and again where the store has lost it; from then on the
    schedule keeps it."""
    for name, why in not_online(ground.settings, ground.declarations).items():
        view = ground.declarations.view(name)
        if view.table not in plan.gold and not ground.lakehouse.exists(view.table):
            continue
        tries = (run for run in materializations(ground.settings, view=name) if run.kind != "push")
        failed = list(takewhile(lambda run: run.status == "failed", tries))
        pause = pause_after(len(failed)) if failed else 0
        if failed and ground.now - (failed[0].finished or ground.now) < timedelta(seconds=pause):
            told = f"{why}; {len(failed)} failed, the next try waits {pause} s"
            plan.decide(f"online/{name}", "wait", told)
            continue
        plan.online.append(name)
        plan.decide(f"online/{name}", "build", f"{why}; the schedule keeps it from now on")
