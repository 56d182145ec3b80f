"""What happens by the clock: the online store every six hours, predictions every day."""

from __future__ import annotations

from typing import Any

import dagster as dg

from asgard_pipelines.declarations import Declarations
from asgard_pipelines.graph.keys import feature_key, online_key, prediction_key
from asgard_pipelines.graph.platform_assets import platform_keys


def schedules(declarations: Declarations) -> list[dg.ScheduleDefinition]:
    found = []
    online = [view for view in declarations.views if view.online]
    if online:
        keys = [key for view in online for key in (feature_key(view), online_key(view))]
        found.append(
            _schedule(
                "materialize_online", "0 */6 * * *", keys, "The online store, from the current snapshots."
            )
        )
    described = platform_keys(declarations)
    if described:
        told = "How runs, users and services do, as features."
        found.append(_schedule("describe_platform", "0 * * * *", described, told))
    if declarations.predictions:
        keys = [prediction_key(prediction) for prediction in declarations.predictions]
        found.append(
            _schedule("predict_daily", "0 5 * * *", keys, "Every prediction table, by the present champions.")
        )
    return found


def _schedule(name: str, cron: str, keys: list[dg.AssetKey], description: str) -> Any:
    return dg.ScheduleDefinition(
        name=name,
        cron_schedule=cron,
        job=dg.define_asset_job(
            f"{name}_job", selection=dg.AssetSelection.assets(*keys), description=description
        ),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )
