"""The flush in Dagster: a sensor that waits for rows to have waited, and a job that lands them."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from asgard_pipelines.declarations import Declarations
from asgard_pipelines.features import Pushes, apply
from asgard_pipelines.features.online import online_store
from asgard_pipelines.graph import definitions
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.project import init, load
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import last_decisions

_REPO = """
from feast import Entity, FeatureView, Field, Project, PushSource, ValueType
from feast.types import Int64

from asgard_pipelines.features import gold

project = Project(name="shop", description="")
customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)
pushed = PushSource(name="carts", batch_source=gold("carts", timestamp_field="at"))
cart = FeatureView(
    name="cart", entities=[customer], schema=[Field(name="items", dtype=Int64)], source=pushed, online=True
)
"""


@pytest.fixture
def pushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Settings, Declarations]:
    """One row, pushed and not flushed."""
    init(tmp_path / "shop", empty=True)
    (tmp_path / "shop" / "repo.py").write_text(_REPO)
    monkeypatch.setenv("ASGARD_REPO", str(tmp_path / "shop"))
    monkeypatch.setenv("ASGARD_HOME", str(tmp_path / "home"))
    settings = Settings.read()
    schema = pa.schema([("customer_id", pa.string()), ("items", pa.int64()), ("at", pa.timestamp("us"))])
    Lakehouse(settings).append("gold.carts", schema.empty_table(), key="made")
    declarations = load(settings)
    apply(settings)
    pushes = Pushes(settings, online_store(settings))
    record = {"customer": "a", "event_timestamp": "2025-01-01", "features": {"items": 2}}
    pushes.push(declarations, "carts", [record])
    pushes.close()
    return settings, declarations


def _evaluated(
    declarations: Declarations, instance: dg.DagsterInstance, cursor: str | None = None
) -> tuple[bool, str, str | None]:
    """Whether a tick asks for a run, why not, and its cursor."""
    loaded = definitions(declarations)
    [sensor] = [one for one in loaded.sensors or [] if one.name == "flush_pushed_rows"]
    assert isinstance(sensor, dg.SensorDefinition)
    tick = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))
    return bool(tick.run_requests), tick.skip_message or "", tick.cursor


def _tick(declarations: Declarations, instance: dg.DagsterInstance) -> bool:
    return _evaluated(declarations, instance)[0]


def test_rows_are_flushed_by_a_run_once_they_have_waited(
    pushed: tuple[Settings, Declarations], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, declarations = pushed
    with dg.DagsterInstance.ephemeral() as instance:
        assert not _tick(declarations, instance)
        monkeypatch.setenv("ASGARD_PUSH_FLUSH_SECONDS", "0.001")
        assert _tick(declarations, instance)
        job = definitions(declarations).resolve_job_def("flush_pushes")
        assert job.execute_in_process(instance=instance).success
        assert not _tick(declarations, instance)
    lakehouse = Lakehouse(settings)
    assert lakehouse.read_table(lakehouse.pin("gold.carts"), ["items"]).to_pylist() == [{"items": 2}]


def test_rows_that_are_held_back_start_no_flush_until_something_is_declared_otherwise(
    pushed: tuple[Settings, Declarations], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, before = pushed
    repo = settings.repo / "repo.py"
    monkeypatch.setenv("ASGARD_PUSH_FLUSH_SECONDS", "0.001")
    repo.write_text(_REPO.replace("customer_id", "client_id"))
    now = load(settings)
    with dg.DagsterInstance.ephemeral() as instance:
        asked, _, cursor = _evaluated(now, instance)
        assert asked
        assert definitions(now).resolve_job_def("flush_pushes").execute_in_process(instance=instance).success
        asked, why, cursor = _evaluated(now, instance, cursor)
        assert not asked
        assert "cart: 1 rows (1 of them held back" in why
        assert last_decisions(settings)[0].subject == "features/cart"
        asked, _, cursor = _evaluated(before, instance, cursor)
        assert asked
        flush = definitions(before).resolve_job_def("flush_pushes")
        assert flush.execute_in_process(instance=instance).success
        assert _evaluated(before, instance, cursor)[1].endswith("(no pushed rows wait).")


def test_a_project_without_push_sources_has_no_flush(tmp_path: Path) -> None:
    loaded = definitions(Declarations(project="empty"))
    assert [sensor.name for sensor in loaded.sensors or []] == ["keep_up_with_the_data"]
