"""Who may do what: every route, with every kind of token."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from asgard_pipelines.api import create_app
from asgard_pipelines.api.access import BY_ADDRESS
from asgard_pipelines.api.known_tokens import KNOWN_SECONDS
from asgard_pipelines.errors import InvalidSettings
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import SCOPES, create_token, revoke_token
from asgard_pipelines_tests.api.conftest import LOOPBACK
from asgard_pipelines_tests.api.routes import Route, routes


@pytest.fixture
def guarded(house_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ASGARD_AUTH", "on")
    monkeypatch.setenv("ASGARD_RATE_LIMIT", "1000000/second")
    return Settings.read()


@pytest.fixture
def asked(guarded: Settings) -> Callable[[Route, str | None], tuple[int, str, str]]:
    """Asks a route with a token: the status, the error's code, and all that was answered."""
    client = TestClient(create_app(guarded), base_url=LOOPBACK, raise_server_exceptions=False)

    def ask(route: Route, token: str | None) -> tuple[int, str, str]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = client.request(
            route.method, route.address, headers=headers, content="{}" if route.method == "POST" else None
        )
        code = answer.json()["error"]["code"] if answer.status_code >= 400 else ""
        return answer.status_code, code, f"{answer.text} {answer.headers}"

    return ask


def test_every_route_answers_every_kind_of_token_as_declared(
    guarded: Settings, asked: Callable[[Route, str | None], tuple[int, str, str]], caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    long, over = timedelta(days=1), timedelta(seconds=-1)
    right = {
        scope: create_token(guarded, f"only-{scope.replace(':', '-')}", [scope], long) for scope in SCOPES
    }
    refused = {
        "garbage": "garbage",
        "almost": right["admin"][:-1],
        "expired": create_token(guarded, "expired", ["admin"], over),
        "revoked": create_token(guarded, "revoked", ["admin"], long),
    }
    revoke_token(guarded, "revoked")
    told, every = [], routes(create_app(guarded))
    assert len(every) > 10
    for route in every:
        if route.scope is None:
            needless = 404 if route.path.startswith(BY_ADDRESS) else 200  # "nothing" is no file's name
            assert asked(route, None)[0] == asked(route, "garbage")[0] == needless, route
            continue
        for kind in (None, *refused):
            status, code, text = asked(route, refused[kind] if kind else None)
            assert (status, code) == (401, "UNAUTHENTICATED"), (route, kind)
            told.append(text)
        for scope in SCOPES:
            status, code, text = asked(route, right[scope])
            told.append(text)
            if scope in (route.scope, "admin"):
                assert status not in (401, 403, 405), (route, scope, text)
                assert status < 500 or status == 503, (route, scope, text)
            else:
                assert (status, code) == (403, "FORBIDDEN"), (route, scope)
    everything = "\n".join([*told, caplog.text])
    for secret in [*right.values(), *list(refused.values())[1:]]:
        assert secret not in everything


def test_a_token_that_was_revoked_is_refused_within_a_second(guarded: Settings) -> None:
    client = TestClient(create_app(guarded), base_url=LOOPBACK)
    token = create_token(guarded, "reader", ["features:read"], timedelta(days=1))
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/feast/status", headers=headers).status_code == 200
    revoke_token(guarded, "reader")
    time.sleep(KNOWN_SECONDS)
    assert client.get("/feast/status", headers=headers).status_code == 401


def test_a_token_that_is_held_expires_on_time(guarded: Settings) -> None:
    client = TestClient(create_app(guarded), base_url=LOOPBACK)
    lasting = create_token(guarded, "lasting", ["features:read"], timedelta(days=1))
    assert client.get("/feast/status", headers={"Authorization": f"Bearer {lasting}"}).status_code == 200
    brief = create_token(guarded, "brief", ["features:read"], timedelta(seconds=0.9 * KNOWN_SECONDS))
    headers = {"Authorization": f"Bearer {brief}"}
    assert client.get("/feast/status", headers=headers).status_code == 200  # warm: the first takes its time
    time.sleep(0.9 * KNOWN_SECONDS)
    assert client.get("/feast/status", headers=headers).status_code == 401


def test_what_is_no_route_is_not_told_to_who_has_no_token(guarded: Settings) -> None:
    client = TestClient(create_app(guarded), base_url=LOOPBACK)
    assert client.get("/nothing").status_code == 401
    token = create_token(guarded, "reader", ["features:read"], timedelta(days=1))
    assert client.get("/nothing", headers={"Authorization": f"Bearer {token}"}).status_code == 404


def test_a_body_that_is_no_json_is_not_even_read_without_a_token(guarded: Settings) -> None:
    client = TestClient(create_app(guarded), base_url=LOOPBACK)
    answer = client.post("/feast/features", content="{" * 20_000_000)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_with_tokens_the_name_by_which_it_is_called_does_not_matter(guarded: Settings) -> None:
    client = TestClient(create_app(guarded), base_url="http://asgard.example.com")
    assert client.get("/health/live").status_code == 200


def test_without_tokens_the_server_starts_for_loopback_only(
    house_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASGARD_API_HOST", "0.0.0.0")
    with pytest.raises(InvalidSettings, match="ASGARD_AUTH=on") as refused:
        create_app(Settings.read())
    assert refused.value.details == {"setting": "ASGARD_API_HOST"}
    monkeypatch.setenv("ASGARD_AUTH", "on")
    assert isinstance(create_app(Settings.read()), FastAPI)


def test_where_none_is_needed_a_token_still_says_who_acts(
    house_settings: Settings, client: TestClient, caplog: Any
) -> None:
    caplog.set_level(logging.INFO)
    token = create_token(house_settings, "mira", ["predict"], timedelta(days=1))
    for sent in (f"Bearer {token}", "Bearer {token}", "Basic bWlyYQ==", "Bearer"):
        assert client.get("/feast/features", headers={"Authorization": sent}).status_code == 200
    lines = [
        line for one in caplog.records if one.name == "asgard.requests" for line in one.__dict__["lines"]
    ]
    assert [line["principal"] for line in lines] == ["mira", "loopback", "loopback", "loopback"]
    assert token not in json.dumps(lines)
