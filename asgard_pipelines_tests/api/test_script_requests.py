"""Uploading a script: who may, what is refused before anything is kept, and jobs as they are told."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from asgard_pipelines.api import create_app
from asgard_pipelines.scripts import isolation, launch
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import ScriptJob, add_job, change_job, create_token, find_job, script_jobs
from asgard_pipelines_tests.api.conftest import LOOPBACK

UPLOAD = "/mlops/training/upload"
BODY = {
    "script_name": "train.py",
    "script_content": base64.b64encode(b"print(1)").decode(),
    "experiment_name": "churn_model",
    "model_name": "churn_classifier",
    "requirements": ["feast", "scikit-learn"],
}


@pytest.fixture
def open_client(house_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Of a server that lets anybody upload."""
    monkeypatch.setenv("ASGARD_SCRIPTS", "open")
    with TestClient(create_app(Settings.read()), base_url=LOOPBACK, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in the place of all where commands are looked for."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setattr(launch, "_PATH", str(folder))
    isolation._obstacle.cache_clear()
    yield folder
    isolation._obstacle.cache_clear()


def test_scripts_need_a_token_even_where_nothing_else_does(
    house_settings: Settings, client: TestClient
) -> None:
    job = _job(house_settings)
    for method, path in [
        ("POST", UPLOAD),
        ("GET", "/mlops/training/jobs"),
        ("GET", f"/mlops/training/jobs/{job}"),
        ("POST", f"/mlops/training/jobs/{job}/cancel"),
        ("DELETE", f"/mlops/training/jobs/{job}"),
    ]:
        body = BODY if path == UPLOAD else None
        answer = client.request(method, path, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHENTICATED"), path
        assert "ASGARD_SCRIPTS=open" in answer.json()["error"]["message"]
        token = create_token(
            house_settings, f"t{method}{path[-9:]}".replace("/", ""), ["models:train"], timedelta(1)
        )
        answer = client.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN"), path
    token = create_token(house_settings, "mira", ["scripts:run"], timedelta(days=1))
    answer = client.get("/mlops/training/jobs", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def _job(settings: Settings, **fields: Any) -> str:
    given = {"job_id": "job_1", "script_name": "train.py", "source": "x", "experiment_name": "e"}
    now = datetime.now(UTC)
    add_job(settings, ScriptJob(**{**given, "principal": "mira", "created_at": now, **fields}))
    return str(fields.get("job_id", "job_1"))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"script_content": "no base64!"}, "script_content"),
        ({"script_content": base64.b64encode(b"def f(:").decode()}, "script_content"),
        ({"script_name": "../train.py"}, "script_name"),
        ({"script_name": "train.sh"}, "script_name"),
        ({"experiment_name": "../../etc"}, "experiment_name"),
        ({"experiment_name": ""}, "experiment_name"),
        ({"model_name": "a b"}, "model_name"),
        ({"requirements": ["--index-url=x"]}, "requirements.0"),
        ({"requirements": "feast"}, "requirements"),
        ({"environment": {"A": "B"}}, "environment"),
    ],
)
def test_what_cannot_be_run_is_refused_with_the_field(
    changed: dict[str, Any],
    field: str,
    house_settings: Settings,
    open_client: TestClient,
    nobody_to_run: None,
) -> None:
    answer = open_client.post(UPLOAD, json={**BODY, **changed})
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["details"]["problems"][0]["field"]) == ("VALIDATION_ERROR", field)
    assert script_jobs(house_settings) == []


def test_without_bubblewrap_no_script_is_taken(
    house_settings: Settings, open_client: TestClient, nobody_to_run: None, tools: Path
) -> None:
    answer = open_client.post(UPLOAD, json=BODY)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (503, "ISOLATION_UNAVAILABLE")
    assert "bwrap" in error["message"]
    assert "apt-get install -y bubblewrap" in error["message"]
    assert script_jobs(house_settings) == []


def test_where_a_trial_run_fails_no_script_is_taken(
    house_settings: Settings, open_client: TestClient, nobody_to_run: None, tools: Path
) -> None:
    for name in (*launch.TOOLS, *launch.TOOLS_OF_ROOT, "sh", "mkdir"):
        tool = tools / name
        tool.write_text("#!/bin/sh\necho 'No permissions to create a new namespace' >&2\nexit 1\n")
        tool.chmod(0o755)
    answer = open_client.post(UPLOAD, json=BODY)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (503, "ISOLATION_UNAVAILABLE")
    assert "a trial run failed: No permissions to create a new namespace" in error["message"]
    assert "allow them" in error["message"]
    assert script_jobs(house_settings) == []


def test_jobs_are_told_and_the_ended_ones_deleted(house_settings: Settings, open_client: TestClient) -> None:
    _job(house_settings)
    began = datetime.now(UTC)
    change_job(house_settings, "job_1", status="running", started_at=began, log_tail="so far")
    change_job(
        house_settings,
        "job_1",
        status="completed",
        ended_at=began + timedelta(seconds=2),
        run_id="abc",
        model_reason="none",
    )
    assert not change_job(house_settings, "job_1", status="failed"), "what has ended stays as it is"
    told = open_client.get("/mlops/training/jobs/job_1").json()
    assert (told["status"], told["run_id"], told["duration_seconds"]) == ("completed", "abc", 2.0)
    assert (told["log_tail"], told["model_version"], told["model_reason"]) == ("so far", None, "none")
    assert "source" not in told
    assert open_client.get("/mlops/training/jobs").json() == [told]
    assert open_client.post("/mlops/training/jobs/job_1/cancel").json() == told, "it has ended"
    assert open_client.delete("/mlops/training/jobs/job_1").json()["status"] == "deleted"
    for answer in (
        open_client.get("/mlops/training/jobs/job_1"),
        open_client.delete("/mlops/training/jobs/job_1"),
        open_client.post("/mlops/training/jobs/job_1/cancel"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


def test_a_job_that_has_not_ended_is_not_deleted(house_settings: Settings, open_client: TestClient) -> None:
    _job(house_settings)
    answer = open_client.delete("/mlops/training/jobs/job_1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
    assert find_job(house_settings, "job_1").status == "queued"


def test_a_job_that_nobody_runs_has_failed(house_settings: Settings, open_client: TestClient) -> None:
    _job(house_settings, created_at=datetime.now(UTC) - timedelta(hours=1))
    told = open_client.get("/mlops/training/jobs/job_1").json()
    assert (told["status"], told["error"]) == ("failed", "Nobody asked for its run: send it again.")
    _job(house_settings, job_id="job_2", dagster_run_id="not-there", status="running")
    told = open_client.get("/mlops/training/jobs/job_2").json()
    assert (told["status"], told["error"]) == (
        "failed",
        "The process that ran it is gone: send it again.",
    )
