"""Without tokens: programs on this machine get through, and nothing that a web page can send."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from asgard_pipelines_tests.api.conftest import LOOPBACK


@pytest.mark.parametrize("base", [LOOPBACK, "http://localhost:8000", "http://[::1]:8000", "http://127.8.8.8"])
def test_a_program_on_this_machine_gets_through(app: FastAPI, base: str) -> None:
    assert TestClient(app, base_url=base).get("/feast/status").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:8000"},
        {"host": "localhost.evil.example"},
        {"host": "user@evil.example"},
        {"host": "evil.example#127.0.0.1"},
        {"host": "10.0.0.1:8000"},
        {"host": "0.0.0.0:8000"},
        {"host": "[::ffff:10.0.0.1]:8000"},
        {"host": "[not an address"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "http://localhost:8000"},
        {"origin": "http://127.0.0.1:8000.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "something new"},
    ],
    ids=str,
)
def test_what_a_page_of_elsewhere_sends_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    for method, path in [("GET", "/feast/features"), ("POST", "/feast/features"), ("GET", "/health/live")]:
        answer = client.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")


def test_its_own_page_gets_through(client: TestClient) -> None:
    own = {"origin": LOOPBACK, "sec-fetch-site": "same-origin"}
    assert client.get("/feast/features", headers=own).status_code == 200
    assert client.get("/docs", headers={"sec-fetch-site": "none"}).status_code == 200


def test_what_came_in_over_another_address_is_refused_whatever_it_says(app: FastAPI) -> None:
    outside = TestClient(app, base_url="http://10.0.0.1:8000")
    assert outside.get("/feast/status", headers={"host": "127.0.0.1:8000"}).status_code == 403
