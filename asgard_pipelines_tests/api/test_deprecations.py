"""What is deprecated says so, serves whom it served, and takes nobody new."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from asgard_pipelines.api.house import House
from asgard_pipelines.declarations import ModelBody, PredictionBody, fingerprint
from asgard_pipelines.errors import Conflict
from asgard_pipelines.graph import definitions
from asgard_pipelines.project import Wanted, put, settle_model, settle_prediction

VIEW, SERVICE = "/feast/features/customer_features", "/feast/services/customer_service"
MODEL: dict[str, Any] = {
    "name": "spender",
    "framework": "sklearn",
    "model_type": "regression",
    "training_data": {
        "entity_df_source": "customer_aggregates",
        "label_column": "total_spent",
        "event_timestamp_column": "updated_at",
    },
}
PREDICTION: dict[str, Any] = {
    "model_id": "spender",
    "input_table": "customer_aggregates",
    "entity_columns": ["customer_id"],
    "feature_views": ["customer_features"],
    "output_table": "spending",
    "event_timestamp_column": "updated_at",
}


@pytest.fixture
def house(app: FastAPI) -> House:
    found: House = app.state.house
    return found


@pytest.fixture
def service(client: TestClient, view_body: dict[str, Any]) -> dict[str, Any]:
    """A view, another view, and a service of the first."""
    for name in ("customer_features", "better_features"):
        assert client.post("/feast/features", json={**view_body, "name": name}).status_code == 201
    body = {"name": "customer_service", "feature_views": ["customer_features"]}
    assert client.post("/feast/features/service", json=body).status_code == 201
    return body


def declare_model(house: House, **fields: Any) -> None:
    body = MODEL | fields
    model = settle_model(ModelBody.model_validate(body), house.declarations, house.lakehouse)
    put(house.settings, [Wanted("model", model, body)], "somebody")


def test_a_deprecated_view_says_so_and_takes_nobody_new(
    client: TestClient, house: House, service: dict[str, Any], view_body: dict[str, Any]
) -> None:
    answer = client.post(f"{VIEW}/deprecate", json={"instead": "better_features"})
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "name": "customer_features",
            "status": "deprecated",
            "instead": "better_features",
            "needed_by": ["services/customer_service"],
        },
    )
    listed = client.get(VIEW).json()["deprecated"]
    assert (listed["instead"], listed["by"]) == ("better_features", "loopback")
    assert client.get("/feast/features/better_features").json()["deprecated"] is None
    told = ["Feature view 'customer_features' is deprecated: use 'better_features'."]

    again = client.post("/feast/features", json=view_body)
    assert (again.status_code, again.json()["warnings"]) == (200, told)
    again = client.post("/feast/features/service", json=service)
    assert (again.status_code, again.json()["warnings"]) == (200, told)
    new = client.post("/feast/features/service", json={**service, "name": "another"})
    assert (new.status_code, new.json()["error"]["code"]) == (409, "CONFLICT")
    assert told[0] in new.json()["error"]["message"]
    with pytest.raises(Conflict, match="use 'better_features'"):
        declare_model(house, feature_views=["customer_features"])

    answer = client.post(f"{VIEW}/deprecate", json={"deprecated": False})
    assert answer.json()["status"] == "in use"
    assert client.get(VIEW).json()["deprecated"] is None
    assert client.post("/feast/features/service", json={**service, "name": "another"}).status_code == 201


def test_a_service_is_listed_deprecated_and_deleted(client: TestClient, service: dict[str, Any]) -> None:
    (listed,) = client.get("/feast/services").json()
    assert (listed["name"], listed["features"]) == ("customer_service", ["customer_features:total_orders"])
    assert client.get(SERVICE).json() == listed
    assert client.post(f"{SERVICE}/deprecate", json={}).json()["status"] == "deprecated"
    assert client.get(SERVICE).json()["deprecated"]["by"] == "loopback"
    again = client.post("/feast/features/service", json=service).json()
    assert again["warnings"] == ["Feature service 'customer_service' is deprecated."]
    refused = client.delete(VIEW)
    assert (refused.status_code, "customer_service" in refused.json()["error"]["message"]) == (409, True)
    assert client.delete(SERVICE).json() == {"name": "customer_service", "status": "deleted"}
    assert client.get(SERVICE).status_code == 404
    assert client.get("/feast/services").json() == []
    assert client.post("/feast/features/service", json=service).json()["warnings"] == []  # another one
    assert client.delete(SERVICE).status_code == 200
    assert client.delete(VIEW).status_code == 200


def test_a_deprecated_model_is_kept_up_to_date_for_whom_it_serves(
    client: TestClient, house: House, service: dict[str, Any]
) -> None:
    declare_model(house, feature_views=["customer_features"])
    before = fingerprint(house.declarations.model("spender"))
    for path in (f"{VIEW}/deprecate", "/feast/models/spender/deprecate"):
        assert client.post(path, json={}).status_code == 200
    assert fingerprint(house.declarations.model("spender")) == before  # so it is due no sooner
    (listed,) = client.get("/feast/models").json()
    assert (listed["status"], listed["deprecated"]["by"]) == ("deprecated", "loopback")
    told = ["Model 'spender' is deprecated.", "Feature view 'customer_features' is deprecated."]
    assert listed["warnings"] == told
    body = PredictionBody.model_validate(PREDICTION)
    with pytest.raises(Conflict, match="Model 'spender' is deprecated") as refused:
        settle_prediction(body, house.declarations, house.lakehouse)
    assert refused.value.details["deprecated"] == told


def test_dagster_shows_what_is_deprecated(client: TestClient, house: House, service: dict[str, Any]) -> None:
    declare_model(house, feature_views=["customer_features"])
    client.post("/feast/models/spender/deprecate", json={})
    client.post(f"{VIEW}/deprecate", json={"instead": "better_features"})
    tags = {
        "/".join(spec.key.path): spec.tags
        for spec in definitions(house.declarations).resolve_all_asset_specs()
    }
    assert tags["features/customer_features"]["asgard/deprecated"] == "better_features"
    assert tags["models/spender"]["asgard/deprecated"] == "true"
    assert "asgard/deprecated" not in tags["features/better_features"]


def test_what_cannot_be_deprecated_is_refused(client: TestClient, service: dict[str, Any]) -> None:
    assert client.post("/feast/features/nothing/deprecate", json={}).status_code == 404
    assert client.post("/feast/services/nothing/deprecate", json={}).status_code == 404
    assert client.post("/feast/models/nothing/deprecate", json={}).status_code == 404
    assert client.post(f"{VIEW}/deprecate", json={"instead": "nothing"}).status_code == 404
    itself = client.post(f"{VIEW}/deprecate", json={"instead": "customer_features"})
    assert (itself.status_code, itself.json()["error"]["details"]["field"]) == (400, "instead")
    client.post("/feast/features/better_features/deprecate", json={})
    both = client.post(f"{VIEW}/deprecate", json={"instead": "better_features"})
    assert both.status_code == 400
