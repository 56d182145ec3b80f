"""`/api/v1/features/online-features`: what is online, with a status for each value, under all that guards the
other routes."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pytest
import yaml
from fastapi import Depends, FastAPI, Request
from httpx import ASGITransport, AsyncClient, Response
from starlette.testclient import TestClient

from asgard_pipelines.api import create_app
from asgard_pipelines.api.access import needs
from asgard_pipelines.api.direct import DirectRoutes, direct
from asgard_pipelines.api.features.bodies import MOST_KEYS, OnlineFeaturesBody
from asgard_pipelines.api.features.held_reads import HELD_SECONDS
from asgard_pipelines.features.materialization import materialize
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.project import load
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import create_token
from asgard_pipelines_tests.api.conftest import LOOPBACK
from asgard_pipelines_tests.stack.servers import redis_server

ROUTE = "/api/v1/features/online-features"
NOW = datetime.now(UTC).replace(tzinfo=None)
OLD = NOW - timedelta(days=2)


def _times(*times: datetime) -> pa.Array:
    return pa.array(times, pa.timestamp("us"))


def _lay(settings: Settings) -> None:
    lakehouse = Lakehouse(settings)
    customers = {
        "customer_id": ["a", "b", "ü"],
        "age": pa.array([34, None, 28], pa.int32()),
        "spent": [2450.5, math.nan, 1.0],
        "seen": _times(datetime(2024, 6, 30, 15, 45, 23), OLD, NOW),
        "at": _times(NOW, OLD, NOW),
    }
    lakehouse.append("gold.customers", pa.table(customers), key="first")
    pairs = {"customer_id": ["a", "a"], "shop_id": [1, 2], "visits": [3, 4], "at": _times(NOW, NOW)}
    lakehouse.append("gold.visits", pa.table(pairs), key="first")


def _view(
    name: str, table: str, entities: list[str], features: dict[str, str], **more: Any
) -> dict[str, Any]:
    return {
        "name": name,
        "entities": entities,
        "features": [{"name": one, "dtype": dtype} for one, dtype in features.items()],
        "source": {"table_name": table, "timestamp_field": "at"},
        "online": True,
        **more,
    }


CUSTOMERS = _view(
    "customer_features", "customers", ["customer"], {"age": "int32", "spent": "float64", "seen": "timestamp"}
)
VISITS = _view("visits", "visits", ["customer", "shop"], {"visits": "int64"})


@pytest.fixture
def shop(house_settings: Settings, client: TestClient) -> TestClient:
    """Two views, online: a and ü have just been seen, b too long ago."""
    _lay(house_settings)
    for body in (CUSTOMERS, VISITS):
        assert client.post("/feast/features", json=body).status_code == 201
    declarations, lakehouse = load(house_settings), Lakehouse(house_settings)
    for view in map(declarations.view, (CUSTOMERS["name"], VISITS["name"])):
        materialize(house_settings, lakehouse, declarations, view, lakehouse.pin(view.table))
    return client


def _ask(
    client: TestClient, *features: str, headers: dict[str, str] | None = None, **fields: Any
) -> Response:
    answer: Response = client.post(
        ROUTE, content=json.dumps({"features": features, **fields}), headers=headers
    )
    return answer


def test_each_value_has_its_status_and_what_is_not_found_or_expired_is_null(shop: TestClient) -> None:
    keys = ["ü", "b", "nobody", "a"]
    answer = _ask(shop, "customer:age", "customer:spent", "customer:seen", entities={"customer_id": keys})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    nothing = {"age": None, "spent": None, "seen": None}
    assert found["features"]["a"] == {"age": 34, "spent": 2450.5, "seen": "2024-06-30T15:45:23Z"}
    assert found["features"]["b"] == found["features"]["nobody"] == nothing
    assert list(found["features"]) == keys
    statuses = {key: set(one.values()) for key, one in found["statuses"].items()}
    assert statuses == {"a": {"FOUND"}, "ü": {"FOUND"}, "b": {"EXPIRED"}, "nobody": {"NOT_FOUND"}}
    assert found["entities"] == {"customer_id": keys}
    assert (found["metadata"]["features_count"], found["metadata"]["entities_count"]) == (3, 4)
    assert 0 < found["metadata"]["latency_ms"] < 10_000


def test_a_key_that_is_asked_twice_is_named_once(shop: TestClient) -> None:
    answer = _ask(shop, "customer:age", entities={"customer_id": ["a", "nobody", "a"]})
    assert (answer.text.count('"a":{'), answer.text.count('"nobody":{')) == (2, 2), "features and statuses"
    assert answer.json()["features"] == {"a": {"age": 34}, "nobody": {"age": None}}
    assert answer.json()["metadata"]["entities_count"] == 3


def test_keys_of_several_columns_are_answered_as_a_list(shop: TestClient) -> None:
    entities: dict[str, list[Any]] = {"customer_id": ["a", "a", "b"], "shop_id": [2, 1, 1]}
    found = _ask(shop, "visits:visits", "customer:age", entities=entities).json()
    assert [one["features"] for one in found["results"]] == [
        {"visits": 4, "age": 34},
        {"visits": 3, "age": 34},
        {"visits": None, "age": None},
    ]
    assert found["results"][2]["statuses"] == {"visits": "NOT_FOUND", "age": "EXPIRED"}
    assert [one["entities"] for one in found["results"]] == [
        {"customer_id": customer, "shop_id": shop_id}
        for customer, shop_id in zip(entities["customer_id"], entities["shop_id"], strict=True)
    ]
    assert found["features"] == found["statuses"] == {}


def test_an_entity_may_be_called_by_its_name_and_a_feature_by_its_whole(shop: TestClient) -> None:
    found = _ask(shop, "customer:age", entities={"customer": ["a"]}, full_feature_names=True).json()
    assert found["features"] == {"a": {"customer__age": 34}}
    service = {"name": "all", "feature_views": ["customer_features"]}
    assert shop.post("/feast/features/service", json=service).status_code == 201
    body = {"entities": {"customer_id": ["a"]}, "feature_service": "all"}
    assert shop.post(ROUTE, json=body).json()["features"]["a"]["age"] == 34
    assert shop.post(ROUTE, json=body).json()["feature_service"] == "all"


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"features": ["custmer_features:age"]}, 404, "Did you mean 'customer_features'"),
    ({"features": ["customer:agee"]}, 400, "Did you mean 'age'"),
    ({"features": ["customer_features:age", "customer:age"]}, 400, "both be called 'age'"),
    ({"features": ["age"]}, 400, "is no feature"),
    ({"features": []}, 400, "Name a `feature_service`"),
    ({"feature_service": "none"}, 404, "Feature service 'none' not found"),
    ({"entities": {"customer_id": ["a"], "shop_id": [1]}}, 400, "unknown: shop_id"),
    ({"entities": {}}, 400, "missing: customer_id"),
    ({"entities": {"customer_id": [1.5]}}, 400, "'customer_id' is string"),
    ({"entities": {"customer_id": [None]}}, 400, "'customer_id' is string"),
    ({"entities": {"customer_id": [["a"]]}}, 400, "entities.customer_id.0"),
    ({"entities": {"customer_id": "a"}}, 400, "entities.customer_id"),
    ({"entities": {"customer_id": ["a"] * (MOST_KEYS + 1)}}, 400, str(MOST_KEYS)),
    ({"entity": {}}, 400, "entity: there is no such field"),
    ({"full_feature_names": "maybe"}, 400, "full_feature_names"),
]


@pytest.mark.parametrize(("fields", "status", "told"), WRONG, ids=lambda value: str(value)[:50])
def test_what_cannot_be_answered_is_told(
    shop: TestClient, fields: dict[str, Any], status: int, told: str
) -> None:
    body = {"entities": {"customer_id": ["a"]}, "features": ["customer:age"], **fields}
    answer = shop.post(ROUTE, json=body)
    assert (answer.status_code, told in answer.json()["error"]["message"]) == (status, True), answer.text


def test_it_answers_as_if_fastapi_had_called_it(shop: TestClient, house_settings: Settings) -> None:
    """The route is found and its body read without FastAPI; nobody shall be able to tell."""
    plain = partial(FastAPI.__call__, create_app(house_settings))
    other = TestClient(plain, base_url=LOOPBACK, raise_server_exceptions=False)
    good = {"entities": {"customer_id": ["a", "x"]}, "features": ["customer:age"]}
    bodies = [json.dumps(good | fields).encode() for fields, _, _ in WRONG]
    bodies += [json.dumps(good).encode(), b"", b"{", b"[]", b"null", b'{"entities": NaN}', b'{"entities": 5}']
    for body in bodies:
        ours, theirs = [one.post(ROUTE, content=body).json() for one in (shop, other)]
        for answer in (ours, theirs):
            answer.get("error", {}).pop("request_id", None)
            answer.get("metadata", {}).pop("latency_ms", None)
        assert ours == theirs, body
    with_key = shop.post(ROUTE, json=good, headers={"Idempotency-Key": "k"})
    assert with_key.json()["features"] == shop.post(ROUTE, json=good).json()["features"]
    assert shop.get(ROUTE).status_code == other.get(ROUTE).status_code == 405
    assert shop.post(f"{ROUTE}/x").status_code == 404


def test_a_route_that_has_to_be_audited_is_not_answered_so(house_settings: Settings) -> None:
    app = FastAPI()

    @app.post("/change")
    @direct
    async def change(
        body: OnlineFeaturesBody, request: Request, _: Annotated[str, Depends(needs("features:write"))]
    ) -> Any:
        return body

    with pytest.raises(AssertionError, match="/change would have to be audited"):
        DirectRoutes(app, create_app(house_settings).build_middleware_stack(), house_settings)


def test_what_guards_other_routes_guards_it(
    shop: TestClient, house_settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setenv("ASGARD_AUTH", "on")
    monkeypatch.setenv("ASGARD_RATE_LIMIT", "4/minute")
    monkeypatch.setenv("ASGARD_BODY_LIMIT", "1000")
    settings = Settings.read()
    reader = create_token(settings, "reader", ["features:read"], timedelta(days=1))
    writer = create_token(settings, "writer", ["features:write"], timedelta(days=1))
    client = TestClient(create_app(settings), base_url=LOOPBACK)
    entities = {"customer_id": ["a"]}
    assert _ask(client, "customer:age", entities=entities).status_code == 401
    as_writer = {"Authorization": f"Bearer {writer}"}
    assert _ask(client, "customer:age", entities=entities, headers=as_writer).status_code == 403
    as_reader = {"Authorization": f"Bearer {reader}", "X-Request-Id": "mine"}
    caplog.set_level(logging.INFO)
    good = _ask(client, "customer:age", entities=entities, headers=as_reader)
    assert (good.status_code, good.headers["x-request-id"]) == (200, "mine")
    records = [one for one in caplog.records if one.name == "asgard.requests"]
    line = records[-1].__dict__["lines"][-1]
    assert (line["route"], line["status"], line["principal"]) == (ROUTE, 200, "reader")
    wrong = _ask(client, "x:y", entities=entities, headers=as_reader)
    assert wrong.json()["error"]["request_id"] == "mine"
    long = _ask(client, "customer:age", entities={"customer_id": ["a" * 2000]}, headers=as_reader)
    assert long.status_code == 413
    assert _ask(client, "customer:age", entities=entities, headers=as_reader).status_code == 200
    assert _ask(client, "customer:age", entities=entities, headers=as_reader).status_code == 429


def test_how_long_it_took_is_in_the_metrics(shop: TestClient) -> None:
    _ask(shop, "customer:age", entities={"customer_id": ["a"]})
    text = shop.get("/metrics").text
    assert 'feast_feature_retrieval_duration_seconds_count{store="online"} 1.0' in text
    assert f'asgard_requests_total{{method="POST",route="{ROUTE}",status="200"}} 1.0' in text
    assert 'feast_materialization_last_success_timestamp{feature_view="customer_features"} 1.' in text
    rules = Path(__file__).parents[2] / "docs" / "prometheus" / "recording_rules.yml"
    [group] = yaml.safe_load(rules.read_text())["groups"]
    for rule in group["rules"]:
        assert f"{rule['record']}_bucket" in rule["expr"]
        assert f'{rule["record"]}_bucket{{le="0.0001",store="online"}}' in text


def test_many_keys_come_in_their_order(shop: TestClient) -> None:
    keys = [f"k{number}" for number in range(MOST_KEYS - 1)] + ["a"]
    found = _ask(shop, "customer:age", entities={"customer_id": keys}).json()
    assert list(found["features"]) == keys
    assert found["features"]["a"] == {"age": 34}


def test_what_is_declared_over_this_server_is_served_at_once(shop: TestClient) -> None:
    entities = {"customer_id": ["a"]}
    assert _ask(shop, "customer:age", entities=entities).status_code == 200
    assert _ask(shop, "people:age", entities=entities).status_code == 404
    body = CUSTOMERS | {"name": "people"}
    assert shop.post("/feast/features", json=body).status_code == 201
    assert _ask(shop, "people:age", entities=entities).json()["statuses"] == {"a": {"age": "NOT_FOUND"}}
    assert shop.delete("/feast/features/people").status_code == 200
    assert _ask(shop, "people:age", entities=entities).status_code == 404


def test_what_another_process_declares_is_served_within_the_time_and_whole(
    shop: TestClient, house_settings: Settings
) -> None:
    """Another server of the same house adds a feature to a view, then to a service: no answer has half."""
    people = CUSTOMERS | {"name": "people", "features": CUSTOMERS["features"][:2]}
    service = {"name": "all", "feature_views": ["people"]}
    assert shop.post("/feast/features", json=people).status_code == 201
    assert shop.post("/feast/features/service", json=service).status_code == 201
    asked = {"entities": {"customer_id": ["a"]}, "feature_service": "all"}
    assert set(shop.post(ROUTE, json=asked).json()["features"]["a"]) == {"age", "spent"}
    elsewhere = TestClient(create_app(house_settings), base_url=LOOPBACK)
    wider = people | {"features": CUSTOMERS["features"]}
    assert elsewhere.post("/feast/features?replace=true", json=wider).status_code == 201
    again = service | {"description": "anew"}
    assert elsewhere.post("/feast/features/service?replace=true", json=again).status_code == 201
    changed, seen = time.monotonic(), []
    while time.monotonic() - changed < HELD_SECONDS + 0.2:
        seen.append(frozenset(shop.post(ROUTE, json=asked).json()["features"]["a"]))
        time.sleep(0.05)
    assert set(seen) <= {frozenset({"age", "spent"}), frozenset({"age", "spent", "seen"})}
    assert seen[-1] == {"age", "spent", "seen"}


def test_while_the_repo_cannot_be_read_what_was_declared_before_is_served(
    shop: TestClient, house_settings: Settings, caplog: Any
) -> None:
    entities = {"customer_id": ["a"]}
    assert _ask(shop, "customer:age", entities=entities).status_code == 200
    (house_settings.repo / "repo.py").write_text("this is no Python")
    time.sleep(HELD_SECONDS)
    assert _ask(shop, "customer:age", entities=entities).json()["features"] == {"a": {"age": 34}}
    assert "what was declared before is served on" in caplog.text
    listed = shop.get("/api/v1/features/entities")
    assert listed.json()["error"]["code"] == "INVALID_DECLARATIONS"


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.stack)])
def elsewhere(
    request: pytest.FixtureRequest, house_settings: Settings, shop: TestClient, tmp_path: Path
) -> Iterator[FastAPI]:
    """Another server of the shop, with its rows in SQLite, or in Redis."""
    if request.param == "sqlite":
        yield create_app(house_settings)
        return
    with redis_server(tmp_path) as port:
        settings = house_settings.model_copy(update={"online_store": f"redis://127.0.0.1:{port}/0"})
        declarations, lakehouse = load(settings), Lakehouse(settings)
        for view in map(declarations.view, (CUSTOMERS["name"], VISITS["name"])):
            materialize(settings, lakehouse, declarations, view, lakehouse.pin(view.table))
        yield create_app(settings)


def test_those_who_ask_at_once_get_each_their_own(elsewhere: FastAPI, shop: TestClient) -> None:
    """Small reads that are asked for together are one read; nobody shall be able to tell."""
    customers = ["a", "b", "ü", "x"]
    asked = [
        {
            "entities": {"customer_id": [customers[(one + more) % 4] for more in range(one % 11)]},
            "features": of,
        }
        for one in range(100)
        for of in (["customer:age"], ["customer:spent", "customer:age"])
    ]
    asked[7] = {"entities": {"customer_id": [None]}, "features": ["customer:age"]}

    async def together() -> list[dict[str, Any]]:
        transport = ASGITransport(elsewhere)
        async with AsyncClient(transport=transport, base_url=LOOPBACK) as client:
            answers = await asyncio.gather(*(client.post(ROUTE, json=one) for one in asked))
        elsewhere.state.house.held_reads.leave_loop()
        await asyncio.sleep(0)  # so long a connection takes to close
        return [answer.json() for answer in answers]

    alone = [shop.post(ROUTE, json=one).json() for one in asked]
    for ours, theirs in zip(asyncio.run(together()), alone, strict=True):
        for answer in (ours, theirs):
            answer.get("error", {}).pop("request_id", None)
            answer.get("metadata", {}).pop("latency_ms", None)
        assert ours == theirs
    assert "error" in alone[7]


def test_a_store_that_does_not_answer_answers_none_of_them(
    house_settings: Settings, shop: TestClient
) -> None:
    body = {"entities": {"customer_id": ["a"]}, "features": ["customer:age"]}
    file = Path(house_settings.online_store_url.removeprefix("sqlite:///"))

    async def together() -> list[int]:
        transport = ASGITransport(create_app(house_settings))
        async with AsyncClient(transport=transport, base_url=LOOPBACK) as client:
            return [
                one.status_code
                for one in await asyncio.gather(*(client.post(ROUTE, json=body) for _ in "abc"))
            ]

    assert asyncio.run(together()) == [200, 200, 200]
    for part in list(file.parent.glob(f"{file.name}*")):  # with its log
        part.unlink()
    file.write_bytes(b"no database" * 1000)
    time.sleep(0.2)  # so long a deleted file may still be read
    assert asyncio.run(together()) == [503, 503, 503]
