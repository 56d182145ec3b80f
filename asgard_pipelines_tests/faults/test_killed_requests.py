"""The API is killed while it answers: what was answered stands, and the rest is sent again with its key."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from asgard_pipelines.cli.ports import free_port
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import made
from asgard_pipelines_tests.api.conftest import house_settings, view_body
from asgard_pipelines_tests.serving import api

__all__ = ["house_settings", "view_body"]
pytestmark = pytest.mark.timeout(600)


def _send(port: int, method: str, path: str, body: Any = None, key: str = "k") -> tuple[int, Any] | None:
    """Status and answer; None where the connection broke or was refused."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        json.dumps(body).encode() if body is not None else None,
        {"Idempotency-Key": key},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return None


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_killed_request_can_be_sent_again(
    house_settings: Settings,
    view_body: dict[str, Any],
    tmp_path: Path,
    method: str,
) -> None:
    port, log, survived = free_port(), tmp_path / "api.log", []
    for number, delay in enumerate([0.0, 0.02, 0.1, 0.4, 1.5, 4.0]):
        body = {**view_body, "name": f"view_{number}"}
        path = "/feast/features" if method == "POST" else f"/feast/features/view_{number}"
        with api(port, log) as process:
            if method == "DELETE":
                assert _send(port, "POST", "/feast/features", body, f"made{number}") is not None
            answers: list[tuple[int, Any] | None] = []
            key, sent = f"key{number}", body if method == "POST" else None
            asking = threading.Thread(
                target=lambda: answers.append(_send(port, method, path, sent, key))  # noqa: B023
            )
            asking.start()
            time.sleep(delay)
            os.kill(process.pid, signal.SIGKILL)
            asking.join(60)
        with api(port, log):
            again = _send(port, method, path, sent, key)
        assert again is not None
        if answers[0] is not None and method == "POST":
            survived.append(number)
            assert again == answers[0]
        standing = {one.name for one in made(house_settings) if one.kind == "feature_view"}
        if method == "POST":
            assert again[0] in (200, 201)
            assert body["name"] in standing
        else:
            assert again[0] in (200, 404)  # ended by the first try, or by this one
            assert body["name"] not in standing
    assert len(survived) < 6
