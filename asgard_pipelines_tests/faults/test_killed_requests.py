"""The API is killed while it answers: what was answered stands, and the rest is sent again with its key."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from asgard_pipelines.cli.ports import free_port
from asgard_pipelines.features.online import online_store
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import made, waiting_rows
from asgard_pipelines_tests.api.conftest import house_settings, view_body
from asgard_pipelines_tests.serving import api, send

__all__ = ["house_settings", "view_body"]
pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_killed_request_can_be_sent_again(
    house_settings: Settings,
    view_body: dict[str, Any],
    tmp_path: Path,
    method: str,
) -> None:
    port, log, survived = free_port(), tmp_path / "api.log", []
    address = f"http://127.0.0.1:{port}"
    for number, delay in enumerate([0.0, 0.02, 0.1, 0.4, 1.5, 4.0]):
        body = {**view_body, "name": f"view_{number}"}
        path = "/feast/features" if method == "POST" else f"/feast/features/view_{number}"
        with api(port, log) as process:
            if method == "DELETE":
                assert send(address, "POST", "/feast/features", body, f"made{number}") is not None
            answers: list[tuple[int, Any] | None] = []
            key, sent = f"key{number}", body if method == "POST" else None
            asking = threading.Thread(
                target=lambda: answers.append(send(address, method, path, sent, key))  # noqa: B023
            )
            asking.start()
            time.sleep(delay)
            os.kill(process.pid, signal.SIGKILL)
            asking.join(60)
        with api(port, log):
            again = send(address, method, path, sent, key)
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


def test_a_request_that_a_stop_cuts_off_is_told_to_come_again(
    house_settings: Settings, view_body: dict[str, Any], tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "api.log"
    address = f"http://127.0.0.1:{port}"
    with api(port, log, "--timeout-graceful-shutdown", "0") as process, ThreadPoolExecutor() as pool:
        asked = pool.submit(send, address, "POST", "/feast/features", view_body, "key")
        time.sleep(0.3)  # the first declaration imports Feast, which takes longer
        process.terminate()
        answer = asked.result(60)
        process.wait(60)
    assert answer is not None
    assert (answer[0], answer[1]["error"]["code"]) == (503, "BACKEND_UNAVAILABLE")
    with api(port, log):
        again = send(address, "POST", "/feast/features", view_body, "key")
    assert again is not None
    assert again[0] in (200, 201)
    assert [one.name for one in made(house_settings) if one.kind == "feature_view"] == [view_body["name"]]


def test_a_push_that_a_stop_cuts_off_is_told_to_come_again_and_is_taken_once(
    house_settings: Settings, view_body: dict[str, Any], tmp_path: Path
) -> None:
    """Somebody else writes to the online store when it comes."""
    port, log = free_port(), tmp_path / "api.log"
    address, path = f"http://127.0.0.1:{port}", "/api/v1/features/push-features"
    view = {
        "name": "session_features",
        "entities": ["customer"],
        "schema": [{"name": "customer_id", "dtype": "string"}, {"name": "cart_value", "dtype": "float64"}],
        "source": {"type": "push", "name": "customer_sessions"},
    }
    record = {"customer_id": "a", "event_timestamp": "2025-01-01", "features": {"cart_value": 1.5}}
    body = {"push_source_name": "customer_sessions", "features": [record], "push_id": "one"}
    online = online_store(house_settings).address.removeprefix("sqlite:///")
    with api(port, log, "--timeout-graceful-shutdown", "1") as process, ThreadPoolExecutor() as pool:
        made_view = send(address, "POST", "/api/v1/features/apply", {"feature_view": view})
        assert made_view is not None
        assert made_view[0] == 201, made_view
        first = send(address, "POST", path, {**body, "push_id": "zero"})
        assert first is not None
        assert first[0] == 200, first
        with closing(sqlite3.connect(online, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            asked = pool.submit(send, address, "POST", path, body)
            time.sleep(0.5)
            process.terminate()
            answer = asked.result(60)
        process.wait(60)
    assert answer is not None
    assert answer[0] == 503, answer
    with api(port, log):
        again = send(address, "POST", path, body)
    assert again is not None
    assert (again[0], again[1]["accepted"]) == (200, 1)
    assert sum(one.rows for one in waiting_rows(house_settings)) == 2
