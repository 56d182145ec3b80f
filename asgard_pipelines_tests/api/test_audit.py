"""Every changing request is on record, and nothing secret is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from asgard_pipelines.settings import Settings
from asgard_pipelines.state import acts, create_token
from asgard_pipelines.state.database import database

BEGAN = datetime(2020, 1, 1, tzinfo=UTC)


def test_who_changed_what_and_how_it_went_is_on_record(
    house_settings: Settings, client: TestClient, view_body: dict[str, Any]
) -> None:
    token = create_token(house_settings, "mira", ["features:write"], timedelta(days=1))
    as_mira = {"Authorization": f"Bearer {token}", "X-Request-Id": "r1"}
    client.post("/feast/features", json=view_body, headers=as_mira)
    client.post("/feast/features", json={"name": "half"})
    client.delete("/feast/features/customer_features")
    client.delete("/feast/features/customer_features")
    found = acts(house_settings, BEGAN)
    assert [(act.principal, act.method, act.route, act.subject, act.status) for act in found] == [
        ("mira", "POST", "/feast/features", "customer_features", 201),
        ("loopback", "POST", "/feast/features", "half", 400),
        ("loopback", "DELETE", "/feast/features/{name}", "customer_features", 200),
        ("loopback", "DELETE", "/feast/features/{name}", "customer_features", 404),
    ]
    assert found[0].request_id == "r1"
    assert all(datetime.now(UTC) - act.at < timedelta(minutes=5) for act in found)
    assert acts(house_settings, BEGAN, "mira") == found[:1]
    assert acts(house_settings, datetime.now(UTC) + timedelta(seconds=1)) == []
    with database(house_settings).connect() as connection:
        assert token not in str(connection.execute(text("SELECT * FROM audit_log")).all())


def test_what_changes_nothing_is_not(house_settings: Settings, client: TestClient) -> None:
    client.get("/feast/features")
    client.get("/feast/features/nothing")
    client.post("/nothing", json={})
    client.put("/feast/features", json={})
    assert acts(house_settings, BEGAN) == []


def test_who_was_not_allowed_to_is_on_record_too(
    house_settings: Settings, view_body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from asgard_pipelines.api import create_app

    monkeypatch.setenv("ASGARD_AUTH", "on")
    settings = Settings.read()
    token = create_token(settings, "jon", ["features:read"], timedelta(days=1))
    client = TestClient(create_app(settings))
    answer = client.post("/feast/features", json=view_body, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert [(act.principal, act.status) for act in acts(settings, BEGAN)] == [("jon", 403)]


def test_a_change_that_broke_midway_is_on_record(
    house_settings: Settings, client: TestClient, view_body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from asgard_pipelines import project

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(project, "put", broken)
    assert client.post("/feast/features", json=view_body).status_code == 500
    assert [act.status for act in acts(house_settings, BEGAN)] == [500]


@pytest.mark.parametrize("body", [b"[]", b'{"name": 5}', b'"x"', b"{}"])
def test_a_body_that_names_nothing_is_on_record_without_a_name(
    house_settings: Settings, client: TestClient, body: bytes
) -> None:
    client.post("/feast/features", content=body)
    assert [(act.subject, act.status) for act in acts(house_settings, BEGAN)] == [(None, 400)]


def test_a_long_name_is_cut(house_settings: Settings, client: TestClient) -> None:
    client.post("/feast/features", json={"name": "x" * 5000})
    assert [len(act.subject or "") for act in acts(house_settings, BEGAN)] == [200]
