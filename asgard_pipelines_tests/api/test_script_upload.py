"""Scripts uploaded to a house that runs: document 002's program as printed, cancelling, and restarts."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pyarrow as pa
import pytest
from mlflow import MlflowClient

from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.empty_project import empty_project
from asgard_pipelines_tests.originals.running import program
from asgard_pipelines_tests.serving import House, served, until

pytestmark = pytest.mark.served

SLEEPER = """
import mlflow, subprocess, sys, time
with mlflow.start_run():
    mlflow.log_param("began", 1)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("asleep", flush=True)
time.sleep(600)
"""


class Platform:
    def __init__(self, settings: Settings, house: House) -> None:
        self.settings, self.house = settings, house

    def ask(self, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        request = Request(
            self.house.api + path, None if body is None else json.dumps(body).encode(), headers, method=method
        )
        try:
            with urlopen(request, timeout=60) as answer:
                found, code = answer.read(), answer.status
        except HTTPError as error:
            found, code = error.read(), error.code
        assert code == status, found
        return json.loads(found)

    def upload(self, script: str, **headers: str) -> str:
        body = {
            "script_name": "train.py",
            "script_content": base64.b64encode(script.encode()).decode(),
            "experiment_name": "churn_model",
        }
        job_id: str = self.ask("POST", "/mlops/training/upload", body, 202, **headers)["job_id"]
        return job_id

    def job(self, job_id: str) -> Any:
        return self.ask("GET", f"/mlops/training/jobs/{job_id}")

    def sandboxed(self) -> list[psutil.Process]:
        """The processes of this house's sandbox that live."""
        return [
            one
            for one in self.house.process.children(recursive=True)
            if "/given/script/train.py" in _command(one)
        ]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    with empty_project(folder, ASGARD_SCRIPTS="open") as settings:
        Lakehouse(settings).append("gold.customer_aggregates", _customers(), key="customers")
        with served(SimpleNamespace(settings=settings)) as house:
            yield Platform(settings, house)


def _customers() -> pa.Table:
    now = datetime.now(UTC).replace(tzinfo=None)
    return pa.table(
        {
            "customer_id": [1, 2],
            "total_orders": [3, 4],
            "total_spent": [1.0, 2.0],
            "updated_at": pa.array([now] * 2, pa.timestamp("us")),
        }
    )


def test_the_complete_training_pipeline_runs_as_printed(platform: Platform) -> None:
    said = program("002", "Complete Training Pipeline, python 1", platform.house.api)
    assert said.startswith("Training completed: ")
    run_id = said.split()[-1]
    (job,) = platform.ask("GET", "/mlops/training/jobs")
    assert (job["status"], job["run_id"]) == ("completed", run_id), job
    assert (job["experiment_name"], job["model_name"]) == ("churn_model", "churn_classifier")
    assert job["model_version"] is None
    assert "logged no model" in job["model_reason"]
    assert job["duration_seconds"] > 0
    client = MlflowClient(platform.settings.tracking_uri)
    run = client.get_run(run_id)
    assert run.data.metrics == {"accuracy": 0.92}
    assert run.info.status == "FINISHED"
    assert [one.path for one in client.list_artifacts(run_id)] == ["log.txt"]
    shown = platform.ask("GET", f"/feast/runs/{job['dagster_run_id']}")
    assert (shown["status"], shown["assets"]) == ("completed", [])


def test_a_job_can_be_cancelled_and_leaves_no_process(platform: Platform) -> None:
    job_id = platform.upload(SLEEPER)
    until(lambda: "asleep" in platform.job(job_id)["log_tail"], 100, lambda: platform.job(job_id))
    assert platform.job(job_id)["status"] == "running"
    assert platform.job(job_id)["run_id"]
    held = platform.sandboxed()
    assert held
    platform.ask("POST", f"/mlops/training/jobs/{job_id}/cancel")
    until(lambda: platform.job(job_id)["status"] == "cancelled", 60, lambda: platform.job(job_id))
    until(lambda: not _alive(held), 20, lambda: _alive(held))
    run = f"/feast/runs/{platform.job(job_id)['dagster_run_id']}"
    until(lambda: platform.ask("GET", run)["status"] in ("cancelled", "failed"), 60)


def test_a_job_outlives_the_api_and_a_key_finds_it_again(platform: Platform) -> None:
    key = {"Idempotency-Key": "one-script"}
    job_id = platform.upload("import time; time.sleep(3); print('done')", **key)
    platform.house.kill("uvicorn")
    until(lambda: _answers(platform), 60)
    assert platform.upload("import time; time.sleep(3); print('done')", **key) == job_id
    until(lambda: platform.job(job_id)["status"] == "completed", 100, lambda: platform.job(job_id))
    assert platform.job(job_id)["log_tail"] == "done\n"
    assert platform.job(job_id)["run_id"], "its log is kept in a run, though it began none"


def test_a_job_whose_worker_is_killed_has_failed(platform: Platform) -> None:
    job_id = platform.upload(SLEEPER)
    until(lambda: "asleep" in platform.job(job_id)["log_tail"], 100, lambda: platform.job(job_id))
    held = platform.sandboxed()
    sandbox = next(one for one in held if one.name() == "bwrap")
    worker = next(one for one in sandbox.parents() if one.name() != "bwrap")
    worker.kill()
    until(lambda: platform.job(job_id)["status"] == "failed", 60, lambda: platform.job(job_id))
    assert "gone" in platform.job(job_id)["error"]
    until(lambda: not _alive(held), 20, lambda: _alive(held))


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    found = []
    for one in processes:
        try:
            if one.is_running() and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
        except psutil.NoSuchProcess:
            continue
    return found


def _answers(platform: Platform) -> bool:
    try:
        with urlopen(f"{platform.house.api}/health/live", timeout=5):
            return True
    except OSError:
        return False
