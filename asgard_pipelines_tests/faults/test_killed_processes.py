"""Retraining happens once per landing, whatever dies in between."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterRunStatus, RunsFilter

from asgard_pipelines.graph import reconcile
from asgard_pipelines.models import ModelRegistry
from asgard_pipelines.state import last_election
from asgard_pipelines_tests.serving import served, until

pytestmark = pytest.mark.timeout(600)
SENSOR = "keep_up_with_the_data"


def retrainings(shop: Any) -> list[dg.DagsterRun]:
    """The runs in which the sensor had the model retrained since the newest month landed."""
    with dg.DagsterInstance.from_config(str(shop.settings.dagster_home)) as instance:
        asked = RunsFilter(
            tags={"dagster/sensor_name": SENSOR, "asgard/models": "returning"},
            created_after=shop.landed,
        )
        return list(instance.get_runs(asked))


def begun(shop: Any) -> bool:
    """Whether a retraining is at work, or was: on a busy machine a look may come after its end."""
    return any(run.status == DagsterRunStatus.STARTED or run.is_finished for run in retrainings(shop))


def done_with_all(shop: Any) -> None:
    """Until the sensor has looked twice more and found nothing due, and what it started has ended."""
    since = time.time()

    def settled() -> bool:
        if not all(run.is_finished for run in retrainings(shop)):
            return False
        with dg.DagsterInstance.from_config(str(shop.settings.dagster_home)) as instance:
            (sensor,) = (one for one in instance.all_instigator_state() if one.name == SENSOR)
            ticks = instance.get_ticks(sensor.instigator_origin_id, sensor.selector_id, limit=10)
        nothing = (tick for tick in ticks if (tick.skip_reason or "").startswith("Nothing is due"))
        return sum(tick.timestamp > since for tick in nothing) >= 2

    until(settled, 180)


def settled(shop: Any) -> int:
    """Brings everything up to date in this process; the number of versions then."""
    assert all(outcome.succeeded for outcome in reconcile(shop.settings, shop.declarations))
    shop.landed = datetime.now(UTC)
    return versions(shop)


def versions(shop: Any) -> int:
    return len(ModelRegistry(shop.settings).versions("returning"))


def roots(shop: Any) -> dict[str, int]:
    election = last_election(shop.settings, "returning")
    assert election is not None
    return election.roots


def test_a_landing_retrains_once_though_the_daemon_is_killed_during_the_run(shop: Any) -> None:
    before = settled(shop)
    with served(shop) as house:
        shop.land()
        until(lambda: begun(shop), 90)
        house.kill("dagster-daemon")
        current = shop.lakehouse.pin("gold.sales").snapshot_id
        until(lambda: roots(shop)["gold.sales"] == current, 150)
        done_with_all(shop)
    assert [run.status for run in retrainings(shop)] == [DagsterRunStatus.SUCCESS]
    assert versions(shop) == before + 2


def test_a_run_whose_worker_is_killed_is_declared_failed_and_tried_again(shop: Any) -> None:
    before = settled(shop)
    with served(shop):
        shop.land()
        until(lambda: any(r.status == DagsterRunStatus.STARTED for r in retrainings(shop)), 90)
        worker = next(r for r in retrainings(shop) if r.status == DagsterRunStatus.STARTED)
        kill_worker(shop, worker.run_id)
        current = shop.lakehouse.pin("gold.sales").snapshot_id
        until(lambda: roots(shop)["gold.sales"] == current, 240)
        done_with_all(shop)
    statuses = sorted(run.status.value for run in retrainings(shop))
    assert statuses == ["FAILURE", "SUCCESS"]
    election = last_election(shop.settings, "returning")
    assert election is not None
    scored = [
        row for row in shop.rows("gold.return_predictions") if str(row["created_at"]).startswith("2024-11")
    ]
    assert {row["model_version"] for row in scored} == {election.version}
    assert versions(shop) == before + 2


def kill_worker(shop: Any, run_id: str) -> None:
    from sqlalchemy import create_engine, text

    def pid() -> int | None:
        with create_engine(shop.settings.state_database).connect() as connection:
            found = connection.execute(text("SELECT pid FROM run_workers WHERE run_id = :r"), {"r": run_id})
            return found.scalar_one_or_none()

    until(lambda: pid() is not None, 60)
    os.kill(int(pid() or 0), signal.SIGKILL)


def test_landings_during_a_run_are_decided_after_it_by_one_run(shop: Any) -> None:
    before = settled(shop)
    with served(shop):
        shop.land()
        decided = shop.lakehouse.pin("gold.sales").snapshot_id
        until(lambda: begun(shop), 90)
        shop.land()  # the run may not even have read the table yet
        shop.land()
        current = shop.lakehouse.pin("gold.sales").snapshot_id
        until(lambda: roots(shop)["gold.sales"] == current, 200)
        done_with_all(shop)
    assert [run.status for run in retrainings(shop)] == [DagsterRunStatus.SUCCESS] * 2
    trained = {version.roots["gold.sales"] for version in ModelRegistry(shop.settings).versions("returning")}
    assert {decided, current} <= trained
    assert versions(shop) == before + 4
