"""Asgard about itself: ordinary views over tables that are filled from what really happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from asgard_pipelines.declarations import Declarations, FeatureRef
from asgard_pipelines.features import OnlineReads, apply
from asgard_pipelines.graph import definitions
from asgard_pipelines.graph.run_facts import platform_history
from asgard_pipelines.graph.run_history import PRINCIPAL_TAG
from asgard_pipelines.graph.table_checks import check_table
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.monitoring import probe_connectors, user_activity
from asgard_pipelines.project import init, load
from asgard_pipelines.settings import Settings

_VISITS = """/* asgard:
description: Visits.
timestamp: at
*/
SELECT visitor_id, at FROM visits
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Settings, Declarations]:
    """Views about Asgard, and one gold table to have runs of."""
    init(tmp_path / "shop", empty=True)
    (tmp_path / "shop" / "repo.py").write_text(
        "from feast import Project\n"
        "from asgard_pipelines.features.platform_views import *\n"
        'project = Project(name="shop", description="")\n'
    )
    (tmp_path / "shop" / "gold" / "visitors.sql").write_text(_VISITS)
    monkeypatch.setenv("ASGARD_REPO", str(tmp_path / "shop"))
    monkeypatch.setenv("ASGARD_HOME", str(tmp_path / "home"))
    settings = Settings.read()
    at = pa.array([datetime(2025, 1, 1)] * 3, pa.timestamp("us"))
    Lakehouse(settings).append("gold.visits", pa.table({"visitor_id": [1, 2, 3], "at": at}), key="visits")
    declarations = load(settings)
    apply(settings)
    return settings, declarations


def _long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(days=30)


def _online(settings: Settings, declarations: Declarations, view: str, key: str) -> dict[str, object]:
    [declared] = [one for one in declarations.views if one.name == view]
    refs = [FeatureRef(view=view, feature=one.name, dtype=one.dtype) for one in declared.features]
    read = OnlineReads(settings).prepare(declarations, refs).read({declared.entities[0]: [key]})
    return {name: column[0] for name, column in zip(declared.feature_names, read.columns, strict=True)}


def test_runs_users_and_services_are_described_by_what_happened(
    project: tuple[Settings, Declarations],
) -> None:
    settings, declarations = project
    loaded = definitions(declarations)
    with dg.DagsterInstance.ephemeral() as instance:
        job = loaded.resolve_implicit_global_asset_job_def()
        built = [dg.AssetKey(["gold", "visitors"])]
        for _ in range(2):
            job.execute_in_process(instance=instance, asset_selection=built, tags={PRINCIPAL_TAG: "ann"})
        job = loaded.resolve_job_def("describe_platform_job")
        assert job.execute_in_process(instance=instance).success
        history = platform_history(instance, Lakehouse(settings), _long_ago())
        of_users = platform_history(instance, Lakehouse(settings), _long_ago(), by_users=True)
        assert platform_history(instance, Lakehouse(settings), datetime.now(UTC)).runs == []
    pipeline = _online(settings, declarations, "pipeline_features", "gold/visitors")
    assert (pipeline["success_rate_7d"], pipeline["error_count_7d"]) == (1.0, 0)
    assert isinstance(pipeline["avg_duration_7d"], float)
    assert pipeline["data_volume_trend"] == "increasing"
    user = _online(settings, declarations, "user_features", "ann")
    assert (user["pipelines_executed_30d"], user["avg_pipeline_complexity"]) == (2, 1.0)
    catalog = _online(settings, declarations, "connector_features", "catalog")
    assert (catalog["uptime_percentage_7d"], catalog["error_rate_7d"]) == (100.0, 0.0)
    assert sum(run.job == "describe_platform_job" for run in history.runs) == 1
    assert [run.user for run in of_users.runs] == ["ann", "ann"]
    assert [one.rows for one in history.written if "gold/visitors" in one.pipelines] == [3]


def test_a_new_house_s_empty_tables_fail_no_check(project: tuple[Settings, Declarations]) -> None:
    settings, declarations = project
    lakehouse = Lakehouse(settings)
    [table] = [one for one in declarations.gold if one.name == "user_activity"]
    commit = lakehouse.append(table.table, user_activity([], {}, datetime.now(UTC)), key="empty")
    assert all(result.passed for result in check_table(lakehouse, table, commit.pin))


def test_the_first_probe_asks_for_a_first_description(project: tuple[Settings, Declarations]) -> None:
    [sensor] = [one for one in definitions(project[1]).sensors or [] if one.name == "probe_connectors"]
    assert isinstance(sensor, dg.SensorDefinition)
    with dg.DagsterInstance.ephemeral() as instance:
        first = sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
        [request] = first.run_requests or []
        assert dg.AssetKey(["online", "pipeline_features"]) in (request.asset_selection or [])
        second = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=first.cursor))
    assert (second.run_requests, second.skip_message) == ([], "All of them answer.")


def test_a_failed_run_counts_as_an_error(project: tuple[Settings, Declarations]) -> None:
    settings, declarations = project
    with dg.DagsterInstance.ephemeral() as instance:
        Lakehouse(settings).catalog.iceberg.drop_table("gold.visits")
        job = definitions(declarations).resolve_implicit_global_asset_job_def()
        built = [dg.AssetKey(["gold", "visitors"])]
        assert not job.execute_in_process(
            instance=instance, asset_selection=built, raise_on_error=False
        ).success
        [run] = platform_history(instance, Lakehouse(settings), _long_ago()).runs
    assert (run.succeeded, run.assets, run.job) == (False, ("gold/visitors",), None)


def test_a_service_that_does_not_answer_is_told_by_its_probe(
    project: tuple[Settings, Declarations], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASGARD_ONLINE_STORE", "redis://127.0.0.1:1/0")
    settings = Settings.read()
    probes = {one.connector: one for one in probe_connectors(settings, Lakehouse(settings))}
    assert {name for name, one in probes.items() if not one.answered} == {"online_store"}
    assert probes["state"].pool_usage is not None
    assert probes["catalog"].at > datetime.now(UTC) - timedelta(minutes=1)
