"""The graph of a project: everything declared, as Dagster definitions."""

from __future__ import annotations

import warnings

import dagster as dg

from asgard_pipelines.declarations import Declarations
from asgard_pipelines.graph.feature_assets import feature_assets
from asgard_pipelines.graph.gold_assets import gold_assets, gold_specs
from asgard_pipelines.graph.handoff import HandoffIOManager
from asgard_pipelines.graph.house import House
from asgard_pipelines.graph.model_assets import model_assets
from asgard_pipelines.graph.online_assets import online_assets
from asgard_pipelines.graph.platform_assets import platform_assets, platform_tables, probing_sensor
from asgard_pipelines.graph.prediction_assets import prediction_assets
from asgard_pipelines.graph.push_flush import flush_job, flush_sensor
from asgard_pipelines.graph.schedules import schedules
from asgard_pipelines.graph.script_runs import script_job
from asgard_pipelines.graph.sensors import keep_up_sensor
from asgard_pipelines.graph.table_checks import external_checks


def definitions(declarations: Declarations, house: House | None = None) -> dg.Definitions:
    """The same declarations always give the same graph; nothing is read but them and the settings.

    Args:
        house: what the assets work with; None: one that nobody listens to.
    """
    with warnings.catch_warnings():
        # `backfill_policy` is beta: without it a range of partitions is not one run.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return _definitions(declarations, house or House())


def _definitions(declarations: Declarations, house: House) -> dg.Definitions:
    sensors, jobs = [keep_up_sensor(declarations)], [script_job()]
    if any(view.push_source for view in declarations.views):
        jobs.append(flush_job(declarations))
        sensors.append(flush_sensor(declarations, jobs[-1]))
    if platform_tables(declarations):
        sensors.append(probing_sensor(declarations))
    return dg.Definitions(
        assets=[
            *gold_specs(declarations),
            *gold_assets(declarations),
            *platform_assets(declarations),
            *feature_assets(declarations),
            *online_assets(declarations),
            *model_assets(declarations),
            *prediction_assets(declarations),
        ],
        asset_checks=external_checks(declarations),
        sensors=sensors,
        schedules=schedules(declarations),
        jobs=jobs,
        resources={"house": house, "handoff": HandoffIOManager()},
        executor=dg.in_process_executor,
    )
