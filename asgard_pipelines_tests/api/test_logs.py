"""The log is JSON, line by line, and holds nothing that a caller sent."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from starlette.testclient import TestClient

from asgard_pipelines.api import create_app, logs
from asgard_pipelines.api.access import needs
from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.api.conftest import LOOPBACK

SECRET = "hunter2-in-the-body"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the process would write to stderr."""
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn.access")
    handlers, level = root.handlers[:], root.level
    logs.install()
    yield written
    root.handlers[:], uvicorn.disabled = handlers, False
    root.setLevel(level)


@pytest.fixture
def breaking(settings: Settings) -> TestClient:
    app = create_app(settings)

    @app.post("/break")
    def break_it(body: dict[str, str], _: Annotated[str, Depends(needs("features:write"))]) -> None:
        try:
            int(body["password"])
        except ValueError as error:
            raise RuntimeError(f"no number: {body}") from error

    @app.post("/unavailable")
    def unavailable(_: Annotated[str, Depends(needs("features:write"))]) -> None:
        raise BackendUnavailable("The catalog does not answer.") from OSError(f"{SECRET} refused")

    return TestClient(app, base_url=LOOPBACK, raise_server_exceptions=False)


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in found if line["logger"].startswith("asgard")]


def test_a_request_is_one_line(breaking: TestClient, log: io.StringIO) -> None:
    answer = breaking.get(f"/feast/status?token={SECRET}", headers={"Authorization": f"Bearer {SECRET}"})
    [line] = [line for line in lines(log) if line["logger"] == "asgard.requests"]
    assert line["request_id"] == answer.headers["x-request-id"]
    assert {line["method"], line["route"]} == {"GET", "/feast/status"}
    assert line["level"] == "info"
    assert line["milliseconds"] > 0
    assert SECRET not in log.getvalue()


def test_an_unexpected_error_is_one_line_that_leads_to_the_place_and_tells_nothing(
    breaking: TestClient, log: io.StringIO
) -> None:
    answer = breaking.post("/break", json={"password": SECRET}, headers={"Authorization": f"Bearer {SECRET}"})
    assert answer.status_code == 500
    assert answer.json()["error"] == {
        "code": "INTERNAL_ERROR",
        "message": "Something went wrong here. The server's log has the details under this request id.",
        "details": {},
        "request_id": answer.headers["x-request-id"],
    }
    [line] = [line for line in lines(log) if line["level"] == "error"]
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["error"]["type"] == "builtins.RuntimeError"
    assert line["error"]["cause"]["type"] == "builtins.ValueError"
    assert "break_it" in line["error"]["lines"][-1]
    assert SECRET not in log.getvalue() + answer.text


def test_what_does_not_answer_behind_us_is_logged_with_its_cause(
    breaking: TestClient, log: io.StringIO
) -> None:
    answer = breaking.post("/unavailable", json={})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    [line] = [line for line in lines(log) if line["level"] == "error"]
    assert line["message"] == "BACKEND_UNAVAILABLE: The catalog does not answer."
    assert line["error"]["cause"]["type"] == "builtins.OSError"
    assert SECRET not in log.getvalue() + answer.text


def test_a_request_id_is_the_callers_where_it_is_a_plain_one(breaking: TestClient) -> None:
    assert (
        breaking.get("/health/live", headers={"X-Request-Id": "a.b-C_1"}).headers["x-request-id"] == "a.b-C_1"
    )
    for sent in ("", "two words", "x" * 65, '","admin":"'):
        answer = breaking.get("/health/live", headers={"X-Request-Id": sent})
        assert len(answer.headers["x-request-id"]) == 32


def test_figures_come_by_route_and_no_caller_makes_new_ones(app: FastAPI, client: TestClient) -> None:
    client.get("/feast/features/one")
    client.get("/feast/features/two")
    client.request("BREW", "/coffee")
    client.request("STEEP", "/tea")
    text = client.get("/metrics").text
    assert 'asgard_requests_total{method="GET",route="/feast/features/{name}",status="404"} 2.0' in text
    assert 'asgard_requests_total{method="other",route="unmatched",status="404"} 2.0' in text
    assert "asgard_request_duration_seconds_bucket" in text
    assert "process_resident_memory_bytes" in text
    assert "coffee" not in text
