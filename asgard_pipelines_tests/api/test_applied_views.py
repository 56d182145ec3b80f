"""`/api/v1/features/apply`, and what is told of views, entities and stores."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from asgard_pipelines.api import create_app
from asgard_pipelines.api.features.addresses import kind_of, shown
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.project import load
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.api.conftest import LOOPBACK

APPLY = "/api/v1/features/apply"
Applied = Callable[..., dict[str, Any]]


@pytest.fixture
def lake(tmp_path: Path, house_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A storage root with one file of Parquet."""
    folder = tmp_path / "lake" / "products"
    folder.mkdir(parents=True)
    monkeypatch.setenv("ASGARD_STORAGE_ROOTS", str(tmp_path / "lake"))
    _write(folder / "a.parquet", 1.5)
    return folder


def _write(path: Path, price: float) -> None:
    at = pa.array([datetime(2025, 1, 1)], pa.timestamp("us"))
    pq.write_table(pa.table({"product_id": ["p1"], "price": [price], "event_timestamp": at}), path)


@pytest.fixture
def house(lake: Path) -> TestClient:
    return TestClient(create_app(Settings.read()), base_url=LOOPBACK, raise_server_exceptions=False)


def _batch(lake: Path, **fields: Any) -> dict[str, Any]:
    view = {
        "name": "product_features",
        "entities": ["product"],
        "schema": [{"name": "price", "dtype": "float64"}],
        "source": {"path": f"{lake}/", "file_format": "parquet", "timestamp_field": "event_timestamp"},
    }
    return {"feature_view": view | fields}


def _push(**fields: Any) -> dict[str, Any]:
    view = {
        "name": "session_features",
        "entities": ["customer"],
        "schema": [{"name": "customer_id", "dtype": "string"}, {"name": "cart_value", "dtype": "float64"}],
        "source": {"type": "push", "name": "customer_sessions"},
    }
    return {"feature_view": view | fields}


def test_parquet_becomes_a_table_of_the_view(house: TestClient, lake: Path) -> None:
    answer = house.post(APPLY, json=_batch(lake))
    assert answer.status_code == 201, answer.text
    assert answer.json()["table"] == "gold.product_features"
    again = house.post(APPLY, json=_batch(lake))
    assert (again.status_code, again.json()["registered_at"]) == (200, answer.json()["registered_at"])
    lakehouse = Lakehouse(Settings.read())
    first = lakehouse.pin("gold.product_features")
    _write(lake / "a.parquet", 2.5)
    assert house.post(APPLY, json=_batch(lake)).status_code == 200
    second = lakehouse.pin("gold.product_features")
    assert [lakehouse.read_table(pin)["price"].to_pylist() for pin in (first, second)] == [[1.5], [2.5]]


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"schema": [{"name": "prise", "dtype": "float64"}]}, 400, "Did you mean 'price'"),
        ({"schema": [{"name": "price", "dtype": "int64"}]}, 400, "is declared int64, and is float64"),
        ({"entities": ["shop"]}, 400, "'shop' is no entity"),
        ({"source": {"path": "/etc", "timestamp_field": "event_timestamp"}}, 400, "ASGARD_STORAGE_ROOTS"),
        ({"source": {"path": "LAKE/none", "timestamp_field": "event_timestamp"}}, 400, "no Parquet file"),
        ({"source": {"path": "LAKE", "timestamp_field": "at"}}, 400, "'at' not found"),
        ({"source": {"type": "kafka", "path": "LAKE", "timestamp_field": "at"}}, 400, "kafka"),
        ({"source": {"path": "LAKE", "timestamp_field": "at", "file_format": "csv"}}, 400, "parquet"),
        ({"name": "customer_aggregates"}, 409, "made otherwise"),
    ],
)
def test_what_cannot_be_applied_is_told_and_leaves_nothing(
    house: TestClient, lake: Path, fields: dict[str, Any], status: int, told: str
) -> None:
    if "path" in fields.get("source", {}):
        fields["source"]["path"] = fields["source"]["path"].replace("LAKE", str(lake))
    answer = house.post(APPLY, json=_batch(lake, **fields))
    assert (answer.status_code, told in answer.text) == (status, True), answer.text
    tables = [state.table for state in Lakehouse(Settings.read()).tables()]
    assert tables == ["gold.customer_aggregates"]
    assert fields.get("name", "product_features") not in {view.name for view in load(Settings.read()).views}


def test_two_columns_of_one_name_are_told(house: TestClient, lake: Path) -> None:
    columns = [pa.array(["a"]), pa.array([1.0]), pa.array([2.0]), pa.array([datetime(2025, 1, 1)])]
    names = ["product", "price", "price", "event_timestamp"]
    pq.write_table(pa.table(columns, names=names), lake / "a.parquet")
    answer = house.post(APPLY, json=_batch(lake))
    assert (answer.status_code, "more than one column called price" in answer.text) == (400, True), (
        answer.text
    )


def test_another_view_of_that_name_needs_replace(house: TestClient, lake: Path) -> None:
    assert house.post(APPLY, json=_batch(lake)).status_code == 201
    other = _batch(lake, ttl_seconds=60)
    assert house.post(APPLY, json=other).status_code == 409
    assert house.post(f"{APPLY}?replace=true", json=other).status_code == 201
    listed = house.get("/api/v1/features/feature-views").json()["feature_views"]
    view = next(one for one in listed if one["name"] == "product_features")
    assert (view["ttl_seconds"], view["online"], view["entities"]) == (60, True, ["product"])


def test_a_push_source_gets_a_view_and_a_table(house: TestClient) -> None:
    answer = house.post(APPLY, json=_push())
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert (found["push_source"], found["materialization_required"]) == ("customer_sessions", False)
    lakehouse = Lakehouse(Settings.read())
    schema = lakehouse.schema(lakehouse.pin("gold.session_features"))
    assert schema.names == ["customer_id", "cart_value", "event_timestamp", "created_timestamp"]
    declarations = load(Settings.read())
    [view] = declarations.pushed_by("customer_sessions")
    assert (view.created_timestamp, [one.name for one in view.features]) == (
        "created_timestamp",
        ["cart_value"],
    )
    assert house.post(APPLY, json=_push()).status_code == 200
    without = _push(name="none", schema=[{"name": "customer_id", "dtype": "string"}])
    assert house.post(APPLY, json=without).status_code == 400


def test_statistics_are_of_the_current_snapshot(
    client: TestClient, house_settings: Settings, view_body: dict[str, Any]
) -> None:
    assert client.post("/feast/features", json=view_body).status_code == 201
    route = "/api/v1/features/feature-views/customer_features/stats"
    first = client.get(route).json()["statistics"]
    assert first["feature_stats"]["total_orders"]["mean"] == 3.5
    assert (first["exact"], first["offline_store_records"], first["total_entities"]) == (True, 2, 2)
    more = {"customer_id": [3], "total_orders": [11], "total_spent": [0.0]}
    more["updated_at"] = pa.array([datetime(2025, 1, 2)], pa.timestamp("us"))
    Lakehouse(house_settings).append("gold.customer_aggregates", pa.table(more), key="more")
    second = client.get(route).json()["statistics"]
    assert second["feature_stats"]["total_orders"]["max"] == 11
    assert second["snapshot_id"] != first["snapshot_id"]
    assert second["freshness_seconds"] < first["freshness_seconds"] - 86_000


def test_statistics_are_in_the_declared_types(client: TestClient, house_settings: Settings) -> None:
    rows = {
        "customer_id": [1, 2],
        "price": pa.array([Decimal("14.79"), Decimal("2.10")], pa.decimal128(10, 2)),
        "born": pa.array([date(2024, 2, 29), None], pa.date32()),
        "at": pa.array([datetime(2025, 1, 2)] * 2, pa.timestamp("us")),
    }
    Lakehouse(house_settings).append("gold.prices", pa.table(rows), key="first")
    features = [{"name": "price", "dtype": "float64"}, {"name": "born", "dtype": "timestamp"}]
    source = {"table_name": "prices", "timestamp_field": "at"}
    body = {"name": "prices", "entities": ["customer_id"], "features": features, "source": source}
    assert client.post("/feast/features", json=body).status_code == 201
    found = client.get("/api/v1/features/feature-views/prices/stats").json()["statistics"]["feature_stats"]
    assert (found["price"]["min"], found["price"]["max"]) == (2.1, 14.79)
    assert (found["born"]["min"], found["born"]["null_percentage"]) == ("2024-02-29T00:00:00Z", 50.0)


def test_an_unknown_view_is_not_materialized_whether_dagster_runs_or_not(client: TestClient) -> None:
    asked = client.post("/api/v1/features/materialize", json={"feature_views": ["nobody"]})
    assert (asked.status_code, asked.json()["error"]["code"]) == (404, "FEATURE_VIEW_NOT_FOUND")


@pytest.mark.parametrize(
    ("address", "kind", "told"),
    [
        ("postgresql+psycopg://u:secret@h:5433/d", "postgresql", "postgresql+psycopg://u:***@h:5433/d"),
        ("postgresql://u@h/d?password=secret", "postgresql", "postgresql://u@h/d?password=***"),
        ("redis://:secret@localhost:6379/2", "redis", "redis://:***@localhost:6379/2"),
        ("rediss://localhost:6379/2#secret", "redis", "rediss://localhost:6379/2"),
        ("sqlite:////home/somebody/.asgard/online_store.db", "sqlite", "sqlite:///online_store.db"),
    ],
)
def test_an_address_is_shown_without_secrets_and_folders(address: str, kind: str, told: str) -> None:
    assert (kind_of(address), shown(address)) == (kind, told)


def test_the_configuration_has_no_secret(house_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASGARD_REGISTRY_URL", "postgresql://feast:s3cret@localhost:5433/registry")
    client = TestClient(create_app(Settings.read()), base_url=LOOPBACK, raise_server_exceptions=False)
    answer = client.get("/api/v1/features/config")
    assert (answer.status_code, "s3cret" in answer.text) == (200, False), answer.text
    assert answer.json()["registry"] == {
        "type": "postgresql",
        "url": "postgresql://feast:***@localhost:5433/registry",
    }
