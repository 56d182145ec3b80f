"""What the run of one model or one prediction does: itself, and the gold beneath it that is due."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from asgard_pipelines.declarations import Declarations, GoldTable, Prediction
from asgard_pipelines.errors import Conflict
from asgard_pipelines.graph.due_gold import decide_gold
from asgard_pipelines.graph.due_models import due_now
from asgard_pipelines.graph.plan import Ground, Plan
from asgard_pipelines.graph.prediction_assets import view_tables
from asgard_pipelines.graph.reconciliation import close
from asgard_pipelines.state import last_election


def training_plan(ground: Ground, name: str) -> Plan:
    """The model's training, empty when it is not due by its policy. A failure before does not count:
    who asks has seen it.

    Raises:
        ModelNotFound
        Conflict: a table that it stands on has not been written, or is due in a run of its own.
    """
    resolved = ground.declarations.model(name)
    narrow = _over(ground, resolved.tables)
    plan = Plan()
    decide_gold(narrow, plan)
    _require(narrow, plan, f"models/{name}", resolved.tables)
    verdict, reason = due_now(ground, plan, resolved, last_election(ground.settings, name))
    plan.decide(f"models/{name}", verdict, reason)
    if verdict == "train":
        plan.models.append(name)
        close(narrow, plan)
    return plan


def prediction_plan(ground: Ground, prediction: Prediction) -> Plan:
    """The prediction's publication, whether it is due or not.

    Raises:
        Conflict: a table that it stands on has not been written, or is due in a run of its own.
    """
    tables = sorted({prediction.input_table, *view_tables(ground.declarations, prediction.feature_views)})
    narrow = _over(ground, tables)
    plan = Plan()
    decide_gold(narrow, plan)
    _require(narrow, plan, f"predictions/{prediction.name}", tables)
    plan.decide(f"predictions/{prediction.name}", "predict", "asked for")
    plan.predictions.append(prediction.name)
    close(narrow, plan)
    return plan


def _over(ground: Ground, tables: Iterable[str]) -> Ground:
    """The ground with those tables only, and the gold that they are made from."""
    gold = ground.declarations.gold_by_table
    found: dict[str, GoldTable] = {}
    waiting = [table for table in tables if table in gold]
    for table in waiting:
        found[table] = gold[table]
        waiting += [source for source in gold[table].reads if source in gold and source not in found]
    narrow: Declarations = ground.declarations.model_copy(
        update={"gold": [table for table in ground.declarations.gold if table.table in found]}
    )
    return replace(ground, declarations=narrow)


def _require(ground: Ground, plan: Plan, asset: str, tables: list[str]) -> None:
    obstacle = ground.obstacle(plan, tables)
    if obstacle:
        raise Conflict(f"{asset} cannot be made yet: {obstacle}.", asset=asset)
