"""The same request sent again is done once: also at once, after a restart, and after the server died."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Request
from sqlalchemy import text, update
from starlette.responses import JSONResponse
from starlette.testclient import TestClient
from starlette.types import Message

from asgard_pipelines.api import create_app
from asgard_pipelines.api.access import needs
from asgard_pipelines.api.idempotency import Idempotency
from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import RequestKey, begin_request, request_keys
from asgard_pipelines.state.database import database
from asgard_pipelines_tests.api.conftest import LOOPBACK

KEY = {"Idempotency-Key": "4e9c-first"}


class Work:
    """A route that does something countable, and what becomes of each request."""

    def __init__(self) -> None:
        self.done = 0
        self.may_end = threading.Event()
        self.may_end.set()
        self.begun = threading.Event()
        self.keys: list[str] = []
        self.fails: Exception | None = None


@pytest.fixture
def work() -> Work:
    return Work()


def _working(app: FastAPI, work: Work) -> TestClient:
    @app.post("/work", status_code=202)
    def do(request: Request, _: Annotated[str, Depends(needs("models:train"))]) -> dict[str, int]:
        work.begun.set()
        work.keys.append(request.scope["request_key"])
        assert work.may_end.wait(20)
        work.done += 1
        if work.fails:
            raise work.fails
        return {"done": work.done}

    @app.post("/look")
    def look(_: Annotated[str, Depends(needs("features:read"))]) -> dict[str, int]:
        work.done += 1
        return {"done": work.done}

    return TestClient(app, base_url=LOOPBACK, raise_server_exceptions=False)


@pytest.fixture
def working(settings: Settings, work: Work) -> TestClient:
    return _working(create_app(settings), work)


def test_a_retry_gets_the_first_answer_and_nothing_is_done_again(working: TestClient, work: Work) -> None:
    first = working.post("/work", json={"a": 1}, headers=KEY)
    again = working.post("/work", json={"a": 1}, headers=KEY)
    assert (again.status_code, again.content) == (first.status_code, first.content) == (202, b'{"done":1}')
    assert again.headers["content-type"] == first.headers["content-type"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert work.done == 1


def test_a_retry_gets_the_first_answer_after_a_restart(
    settings: Settings, working: TestClient, work: Work
) -> None:
    working.post("/work", json={"a": 1}, headers=KEY)
    restarted = _working(create_app(settings), work)
    assert restarted.post("/work", json={"a": 1}, headers=KEY).json() == {"done": 1}
    assert work.done == 1


@pytest.mark.parametrize(
    ("path", "body"), [("/work", {"a": 2}), ("/look", {"a": 1}), ("/work?x=1", {"a": 1})], ids=str
)
def test_a_key_that_came_with_another_request_is_refused(
    working: TestClient, work: Work, path: str, body: dict[str, int]
) -> None:
    working.post("/work", json={"a": 1}, headers=KEY)
    answer = working.post(path, json=body, headers=KEY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
    assert work.done == 1


def test_two_at_once_are_done_once(working: TestClient, work: Work) -> None:
    work.may_end.clear()
    answers: list[Any] = []
    first = threading.Thread(target=lambda: answers.append(working.post("/work", json={}, headers=KEY)))
    first.start()
    assert work.begun.wait(20)
    second = working.post("/work", json={}, headers=KEY)
    work.may_end.set()
    first.join(20)
    assert (second.status_code, second.headers["retry-after"]) == (409, "5")
    assert answers[0].status_code == 202
    assert working.post("/work", json={}, headers=KEY).json() == answers[0].json()
    assert work.done == 1


@pytest.mark.parametrize("error", [BackendUnavailable("The catalog does not answer."), KeyError("secret")])
def test_what_failed_may_be_tried_again_with_its_key(
    working: TestClient, work: Work, error: Exception
) -> None:
    work.fails = error
    assert working.post("/work", json={}, headers=KEY).status_code in (500, 503)
    work.fails = None
    assert working.post("/work", json={}, headers=KEY).json() == {"done": 2}
    assert work.keys[0] == work.keys[1]


def test_what_only_reads_is_not_kept(working: TestClient, work: Work) -> None:
    for expected in (1, 2):
        assert working.post("/look", json={}, headers=KEY).json() == {"done": expected}


@pytest.mark.parametrize("status", [200, 503])
def test_whoever_hears_an_answer_that_is_not_kept_may_send_again_at_once(
    settings: Settings, status: int
) -> None:
    """That the first one is still at work is told to nobody who has heard its end."""
    scope = {"type": "http", "method": "POST", "path": "/look", "query_string": b"", "body": b"{}"}
    scope |= {"headers": [(b"idempotency-key", b"again")], "principal": "ci"}
    tried: list[Any] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def retry(message: Message) -> None:
        if not tried:
            await Idempotency(JSONResponse({}, status), settings)({**scope}, receive, tried_again)

    async def tried_again(message: Message) -> None:
        tried.append(message)

    asyncio.run(Idempotency(JSONResponse({}, status), settings)({**scope}, receive, retry))
    assert tried[0]["status"] == status


def test_without_a_key_each_request_is_done(settings: Settings, client: TestClient) -> None:
    body = {"name": "x", "feature_views": ["nothing"]}
    for _ in range(2):
        assert client.post("/feast/features/service", json=body).status_code == 404


@pytest.mark.parametrize("key", ["", " ", "two words", "é", "x" * 256])
def test_a_key_that_is_none_is_refused(working: TestClient, key: str) -> None:
    answer = working.post("/work", json={}, headers={"Idempotency-Key": key.encode("latin-1")})  # type: ignore[dict-item]
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


def test_keys_of_two_principals_are_two_keys(settings: Settings) -> None:
    mine, theirs = (RequestKey(principal=name, key="k", fingerprint=name) for name in ("mira", "jon"))
    assert begin_request(settings, mine) is None
    assert begin_request(settings, theirs) is None
    assert mine.digest != theirs.digest


_BEGUN = """
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import RequestKey, begin_request
key = RequestKey(principal="loopback", key="4e9c-first", fingerprint="{}")
assert begin_request(Settings.read(), key) is None
"""


def test_what_a_dead_server_began_can_be_tried_again(
    settings: Settings, working: TestClient, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprint = _fingerprint_of(settings, working)
    subprocess.run([sys.executable, "-c", _BEGUN.format(fingerprint)], check=True, timeout=60)
    assert working.post("/work", json={"a": 1}, headers=KEY).json() == {"done": 2}


def _fingerprint_of(settings: Settings, working: TestClient) -> str:
    """Of the request that the tests send; its key is free again then."""
    working.post("/work", json={"a": 1}, headers=KEY)
    with database(settings).begin() as connection:
        found = connection.execute(text("SELECT fingerprint FROM request_keys")).scalar_one()
        connection.execute(text("DELETE FROM request_keys"))
    return str(found)


@pytest.mark.parametrize(("hours", "free"), [(0.5, False), (1.5, True)])
def test_what_another_machine_began_is_its_own_for_an_hour(
    settings: Settings, hours: float, free: bool, conflicting: Callable[[RequestKey], bool]
) -> None:
    key = RequestKey(principal="mira", key="k", fingerprint="f")
    begin_request(settings, key)
    begun = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=hours)
    with database(settings).begin() as connection:
        connection.execute(update(request_keys._keys).values(host="elsewhere", begun_at=begun))
    assert conflicting(key) is not free


@pytest.fixture
def conflicting(settings: Settings) -> Callable[[RequestKey], bool]:
    from asgard_pipelines.errors import Conflict

    def ask(key: RequestKey) -> bool:
        try:
            begin_request(settings, key)
        except Conflict:
            return True
        return False

    return ask


def test_old_keys_are_forgotten(settings: Settings) -> None:
    begin_request(settings, RequestKey(principal="mira", key="old", fingerprint="f"))
    long_ago = datetime.now(UTC).replace(tzinfo=None) - request_keys.KEPT_FOR - timedelta(days=1)
    with database(settings).begin() as connection:
        connection.execute(update(request_keys._keys).values(begun_at=long_ago))
    begin_request(settings, RequestKey(principal="mira", key="new", fingerprint="f"))
    with database(settings).connect() as connection:
        assert connection.execute(text("SELECT key FROM request_keys")).scalars().all() == ["new"]


def test_an_answer_is_kept_before_anybody_hears_it(
    working: TestClient, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asgard_pipelines.api import idempotency

    def broken(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(idempotency, "keep_answer", broken)
    assert working.post("/work", json={}, headers=KEY).status_code != 202
