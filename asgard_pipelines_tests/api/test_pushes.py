"""`/api/v1/features/push-features`: online when acknowledged, each record by itself, once for each id."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import Response
from starlette.testclient import TestClient

from asgard_pipelines.features.push.flush import flush_pushes
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.project import load
from asgard_pipelines.settings import Settings

ROUTE = "/api/v1/features/push-features"
NOW = datetime.now(UTC)


@pytest.fixture
def shop(client: TestClient) -> TestClient:
    view = {
        "name": "session_features",
        "entities": ["customer"],
        "schema": [{"name": "customer_id", "dtype": "string"}, {"name": "cart_value", "dtype": "float64"}],
        "source": {"type": "push", "name": "customer_sessions"},
    }
    assert client.post("/api/v1/features/apply", json={"feature_view": view}).status_code == 201
    return client


def _record(key: str, value: Any, at: datetime = NOW) -> dict[str, Any]:
    return {"customer_id": key, "event_timestamp": at.isoformat(), "features": {"cart_value": value}}


def _push(client: TestClient, *records: dict[str, Any], headers: Any = None, **more: Any) -> Response:
    body = {"push_source_name": "customer_sessions", "features": records, **more}
    answer: Response = client.post(ROUTE, json=body, headers=headers)
    return answer


def _online(client: TestClient, key: str) -> Any:
    body = {"entities": {"customer_id": [key]}, "features": ["session:cart_value"]}
    return client.post("/api/v1/features/online-features", json=body).json()["features"][key]["cart_value"]


def test_what_is_acknowledged_is_online_and_gets_into_the_table(
    shop: TestClient, house_settings: Settings
) -> None:
    answer = _push(shop, _record("a", 156.5), _record("b", "much"), _record("c", 89.99))
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["accepted"], found["rejected"]) == (2, 1)
    [error] = found["errors"]
    assert (error["record"], error["field"]) == (1, "cart_value")
    assert found["processing_time_ms"] > 0
    assert (_online(shop, "a"), _online(shop, "b"), _online(shop, "c")) == (156.5, None, 89.99)
    _push(shop, _record("a", 1.0, NOW - timedelta(hours=1)))
    assert _online(shop, "a") == 156.5
    lakehouse = Lakehouse(house_settings)
    list(flush_pushes(house_settings, lakehouse, load(house_settings)))
    rows = lakehouse.read_table(lakehouse.pin("gold.session_features"))
    assert sorted(zip(rows["customer_id"].to_pylist(), rows["cart_value"].to_pylist(), strict=True)) == [
        ("a", 1.0),
        ("a", 156.5),
        ("c", 89.99),
    ]


def test_one_id_is_pushed_once(shop: TestClient) -> None:
    first = _push(shop, _record("a", 1.0), push_id="p1").json()
    again = _push(shop, _record("a", 1.0), push_id="p1").json()
    assert {**first, "processing_time_ms": 0} == {**again, "processing_time_ms": 0}
    other = _push(shop, _record("a", 2.0), push_id="p1")
    assert (other.status_code, other.json()["error"]["code"]) == (409, "CONFLICT")
    keyed = [_push(shop, _record("a", 3.0), headers={"Idempotency-Key": "k"}).json() for _ in range(2)]
    assert keyed[0]["push_id"] == keyed[1]["push_id"]


def test_many_records_are_taken_at_once(shop: TestClient) -> None:
    answer = _push(shop, *(_record(f"k{number}", float(number)) for number in range(500)))
    assert answer.json()["accepted"] == 500
    assert _online(shop, "k499") == 499.0


def test_feast_itself_pushes_to_a_source_that_was_declared_so(
    shop: TestClient, house_settings: Settings
) -> None:
    import pandas as pd

    from asgard_pipelines.features import store

    row = {"customer_id": ["f"], "cart_value": [7.5]}
    frame = pd.DataFrame(row | {"event_timestamp": [NOW], "created_timestamp": [NOW]})
    store(house_settings).push("customer_sessions", frame)
    assert _online(shop, "f") == 7.5


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"push_source_name": "customer_session"}, 404, "Did you mean 'customer_sessions'"),
        ({"features": []}, 400, "features"),
        ({"features": [5]}, 400, "features.0"),
        ({"push_id": "two words"}, 400, "push_id"),
        ({"pushed": 1}, 400, "pushed: there is no such field"),
    ],
)
def test_what_is_no_push_is_told(shop: TestClient, body: dict[str, Any], status: int, told: str) -> None:
    answer = shop.post(ROUTE, json={"push_source_name": "customer_sessions", "features": [{}], **body})
    assert (answer.status_code, told in answer.json()["error"]["message"]) == (status, True), answer.text


def test_a_server_that_is_stopped_has_answered_what_it_took(
    shop: TestClient, house_settings: Settings
) -> None:
    from asgard_pipelines.api import create_app
    from asgard_pipelines_tests.api.conftest import LOOPBACK

    with TestClient(create_app(house_settings), base_url=LOOPBACK) as client:
        assert _push(client, _record("z", 5.0)).status_code == 200
    assert _online(shop, "z") == 5.0
