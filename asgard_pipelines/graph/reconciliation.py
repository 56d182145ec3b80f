"""What is due: the decision by level, not by edge.

A gold table is due when its sources differ logically from the snapshots its partitions were
computed from; a model when the tables its last elected version was trained on do; a prediction
table when its input has rows that its model's elected version has not scored. Nothing is
remembered of a landing, so nothing is lost with a cursor, and what failed is still due.
"""

from __future__ import annotations

from asgard_pipelines.graph.due_gold import decide_gold
from asgard_pipelines.graph.due_models import decide_model
from asgard_pipelines.graph.due_predictions import decide_online, decide_prediction
from asgard_pipelines.graph.keys import (
    candidate_key,
    feature_key,
    gold_key,
    model_key,
    online_key,
    prediction_key,
    training_set_key,
)
from asgard_pipelines.graph.plan import Ground, Plan


def reconciliation(ground: Ground) -> Plan:
    """What is due now."""
    plan = Plan()
    decide_gold(ground, plan)
    for resolved in ground.declarations.models:
        decide_model(ground, plan, resolved)
    for prediction in ground.declarations.predictions:
        decide_prediction(ground, plan, prediction)
    decide_online(ground, plan)
    close(ground, plan)
    return plan


def close(ground: Ground, plan: Plan) -> None:
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
    on_demand = [v for v in declarations.on_demand_views if v.name in views or set(v.sources) & views]
    views |= {name for view in on_demand for name in (view.name, *view.sources)}
    plan.selection = [*chosen, *(feature_key(v) for v in declarations.all_views if v.name in views)]
