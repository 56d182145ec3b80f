"""The tables about Asgard itself: filled every hour from its runs, its declarations and its probes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from asgard_pipelines.declarations import Declarations, GoldTable, fingerprint
from asgard_pipelines.graph.failures import telling
from asgard_pipelines.graph.groups import group_of
from asgard_pipelines.graph.house import House, PinnedRun
from asgard_pipelines.graph.keys import feature_key, gold_key, online_key
from asgard_pipelines.graph.metadata import table_metadata, version_of
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Probe, forget_probes, made_by_author, probes, record_probes

if TYPE_CHECKING:
    import pyarrow as pa

_WEEK, _REACH = timedelta(days=7), timedelta(days=30)
_PROBED_EVERY_SECONDS = 60


def platform_tables(declarations: Declarations) -> list[GoldTable]:
    return [table for table in declarations.gold if table.about_asgard]


def platform_assets(declarations: Declarations) -> list[dg.AssetsDefinition]:
    return [_filled(table, _ROWS[table.name]) for table in platform_tables(declarations)]


def platform_keys(declarations: Declarations) -> list[dg.AssetKey]:
    """Those tables, and the views on them, online too."""
    tables = {table.table: gold_key(table) for table in platform_tables(declarations)}
    views = [view for view in declarations.views if view.table in tables]
    online = [online_key(view) for view in views if view.online]
    return [*tables.values(), *(feature_key(view) for view in views), *online]


def probing_sensor(declarations: Declarations) -> dg.SensorDefinition:
    """Its first tick also asks for a first description: the schedule's may be an hour away."""
    keys = platform_keys(declarations)

    @dg.sensor(
        name="probe_connectors",
        description="Asks each service that Asgard stands on for something small, and notes how it answered.",
        minimum_interval_seconds=_PROBED_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        target=dg.AssetSelection.assets(*keys),
    )
    def probe(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        silent = [one.connector for one in _probe(Settings.read()) if not one.answered]
        told = f"Without an answer: {', '.join(silent)}." if silent else "All of them answer."
        if context.cursor:
            return dg.SensorResult(skip_reason=dg.SkipReason(told), cursor=context.cursor)
        return dg.SensorResult(run_requests=[dg.RunRequest(asset_selection=keys)], cursor="described")

    return probe


def _filled(
    table: GoldTable, rows: Callable[[PinnedRun, dg.DagsterInstance, datetime], "pa.Table"]
) -> dg.AssetsDefinition:
    @dg.asset(
        key=gold_key(table),
        description=table.description,
        group_name=group_of(table, "gold"),
        kinds={"iceberg", "dagster"},
        tags=table.tags,
        code_version=fingerprint(table),
        pool=f"gold_{table.name}",
    )
    @telling
    def fill_table(context: dg.AssetExecutionContext, house: dg.ResourceParam[House]) -> dg.MaterializeResult:  # type: ignore[type-arg]
        run = house.run(context.run)
        described = rows(run, context.instance, datetime.now(UTC))
        commit = run.lakehouse.append(table.table, described, key=f"platform:{context.run.run_id}")
        run.wrote(commit.pin)
        return dg.MaterializeResult(
            data_version=version_of(commit.pin),
            metadata=table_metadata(run.lakehouse, commit.pin) | {"asgard/rows_written": commit.rows},
        )

    return fill_table


def _pipelines(run: PinnedRun, instance: dg.DagsterInstance, now: datetime) -> "pa.Table":
    from asgard_pipelines.graph.run_facts import platform_history
    from asgard_pipelines.monitoring import pipeline_activity

    history = platform_history(instance, run.lakehouse, now - _WEEK)
    return pipeline_activity(history.runs, history.written, now)


def _users(run: PinnedRun, instance: dg.DagsterInstance, now: datetime) -> "pa.Table":
    from asgard_pipelines.graph.run_facts import platform_history
    from asgard_pipelines.monitoring import user_activity

    history = platform_history(instance, run.lakehouse, now - _REACH, by_users=True)
    return user_activity(history.runs, made_by_author(run.settings, now - _REACH), now)


def _connectors(run: PinnedRun, instance: dg.DagsterInstance, now: datetime) -> "pa.Table":
    from asgard_pipelines.monitoring import connector_activity

    _probe(run.settings)
    forget_probes(run.settings, now - _REACH)
    return connector_activity(probes(run.settings, now - _REACH), datetime.now(UTC))


_ROWS = {
    "pipeline_activity": _pipelines,
    "user_activity": _users,
    "connector_activity": _connectors,
}


def _probe(settings: Settings) -> list[Probe]:
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.monitoring import probe_connectors

    found = probe_connectors(settings, Lakehouse(settings))
    record_probes(settings, found)
    return found
