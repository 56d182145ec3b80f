"""Not too often, not too much, and JSON only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from asgard_pipelines.api import create_app
from asgard_pipelines.errors import InvalidSettings
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import create_token
from asgard_pipelines_tests.api.conftest import LOOPBACK


def _client(settings: Settings) -> TestClient:
    return TestClient(create_app(settings), base_url=LOOPBACK, raise_server_exceptions=False)


def test_who_asks_too_often_is_told_when_to_come_again(
    house_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASGARD_RATE_LIMIT", "3/minute")
    client = _client(Settings.read())
    assert [client.get("/feast/status").status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = client.get("/feast/status")
    assert answer.json()["error"]["code"] == "RATE_LIMITED"
    assert 1 <= int(answer.headers["retry-after"]) <= 61  # the window moves by sixtieths
    assert answer.json()["error"]["details"]["retry_after_seconds"] == int(answer.headers["retry-after"])
    assert {client.get("/health/live").status_code for _ in range(5)} == {200}
    assert {client.get("/metrics").status_code for _ in range(5)} == {200}


def test_each_token_has_its_own_share_and_those_without_share_one(
    house_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASGARD_RATE_LIMIT", "2/minute")
    monkeypatch.setenv("ASGARD_AUTH", "on")
    settings = Settings.read()
    client = _client(settings)
    tokens = [create_token(settings, name, ["features:read"], timedelta(days=1)) for name in ("a", "b")]

    def ask(token: str) -> int:
        return client.get("/feast/status", headers={"Authorization": f"Bearer {token}"}).status_code

    assert [ask(tokens[0]) for _ in range(3)] == [200, 200, 429]
    assert [ask(f"guess{number}") for number in range(3)] == [401, 401, 429]
    assert ask(tokens[1]) == 200


@pytest.mark.parametrize("limit", ["", "many", "0/minute", "5/fortnight", "5/minute;9/hour"])
def test_a_limit_that_is_none_is_refused(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASGARD_RATE_LIMIT", limit)
    with pytest.raises(InvalidSettings, match="ASGARD_RATE_LIMIT"):
        Settings.read()


def test_a_body_past_the_limit_is_refused_however_it_comes(
    house_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASGARD_BODY_LIMIT", "1000")
    client = _client(Settings.read())
    taken = 0

    def stream() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(100):
            taken += 100
            yield b" " * 100

    whole = client.post("/feast/features", content=b" " * 1001)
    chunked = client.post("/feast/features", content=stream())
    lying = client.post("/feast/features", content=b" " * 1001, headers={"content-length": "5"})
    for answer in (whole, chunked, lying):
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
        assert answer.json()["error"]["details"] == {"limit_bytes": 1000}
    assert client.post("/feast/features", content=b" " * 999 + b"1").status_code == 400
    assert client.post("/nothing", content=b" " * 1001).status_code == 413


@pytest.mark.parametrize("declared", ["9" * 5000, "-1", "²", "1e3", ""])
def test_a_length_that_is_none_breaks_nothing(client: TestClient, declared: str) -> None:
    headers = {"content-length": declared.encode("latin-1")}
    assert client.post("/feast/features", content=b"{}", headers=headers).status_code == 400  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{} {}",
        b"NaN",
        b'{"ttl_seconds": NaN}',
        b'{"ttl_seconds": -Infinity}',
        b'{"ttl_seconds": ' + b"9" * 5000 + b"}",
        b'{"ttl_seconds": ' + b"9" * 100 + b"}",
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
        b'{"tags": {"a": ' + b"[" * 300 + b"]" * 300 + b"}}",
        b'{"description": "\\ud800"}',
        b'{"description": "\xff\xfe"}',
        b"\xff",
        '{"name": "x"}'.encode("utf-16"),
        b'"name"',
        b"[]",
        b"null",
        b"12",
        b"name=x&entities=y",
    ],
    ids=lambda body: body[:24],
)
def test_what_is_no_such_body_is_told_so(client: TestClient, body: bytes) -> None:
    answer = client.post("/feast/features", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert answer.json()["error"]["details"]["problems"]


@pytest.mark.parametrize(
    ("number", "status"),
    [("1e308", 404), ("1e-999", 404), ("1e999", 400), ("-1E+0000400", 400), ("9" * 400 + ".5", 400)],
    ids=lambda value: str(value)[:8],
)
def test_a_number_larger_than_any_is_none(client: TestClient, number: str, status: int) -> None:
    body = f'{{"model_id": "nothing", "features": {{"total_orders": {number}}}}}'
    answer = client.post("/feast/predictions/online", content=body)
    assert answer.status_code == status
    assert ("the body is no JSON: number out of range" in answer.text) == (status == 400)


@pytest.mark.parametrize("header", ["application/x-www-form-urlencoded", "text/plain", "nonsense", None])
def test_json_is_read_as_such_whatever_its_header_says(
    client: TestClient, view_body: dict[str, Any], header: str | None
) -> None:
    import json

    headers = {"content-type": header} if header else {}
    answer = client.post("/feast/features", content=json.dumps(view_body), headers=headers)
    assert answer.status_code == 201
