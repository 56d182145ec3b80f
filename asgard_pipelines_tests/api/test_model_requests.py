"""What is asked about models where nothing has been trained: refused before anything is declared."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from asgard_pipelines.api.house import House
from asgard_pipelines.api.model_requests import ask_training
from asgard_pipelines.declarations import ModelBody
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.project import Wanted, put, replaced, settle_model, withdraw
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import ElectionRecord, Made, made, record_election
from asgard_pipelines_tests.api.documents import (
    BATCH_PREDICTIONS,
    CREATE_FEATURE_VIEW,
    TRAIN_MODEL,
    altered,
    customer_features,
)


@pytest.fixture
def stocked(client: TestClient, house_settings: Settings) -> TestClient:
    """A client of a project with the table and the view of the document."""
    Lakehouse(house_settings).append("gold.customer_features", customer_features(), key="features")
    assert client.post("/feast/features", json=CREATE_FEATURE_VIEW).status_code == 201
    return client


@pytest.fixture
def dagster_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused is refused before Dagster is asked for anything but whether it is there."""
    monkeypatch.setattr("asgard_pipelines.graph.run_client.require_running", lambda dagster: None)


def post(client: TestClient, path: str, body: dict[str, Any], status: int) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()["error"]
    return found


def models(settings: Settings) -> list[str]:
    return [one.name for one in made(settings) if one.kind == "model"]


def test_without_dagster_nothing_is_declared_and_one_is_told_when_to_come_back(
    stocked: TestClient, house_settings: Settings
) -> None:
    answer = stocked.post("/feast/models", json=TRAIN_MODEL)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "BACKEND_UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) > 0
    assert models(house_settings) == []


@pytest.mark.parametrize(
    ("fields", "code", "told"),
    [
        ({"training_data__label_column": "churnd"}, "COLUMN_NOT_FOUND", "Column 'churnd' not found"),
        ({"training_data__label_column": "churnd"}, "COLUMN_NOT_FOUND", "Did you mean 'churned'?"),
        ({"training_data__label_column": "churnd"}, "COLUMN_NOT_FOUND", "ADD COLUMN churnd BOOLEAN"),
        ({"training_data__event_timestamp_column": "at"}, "COLUMN_NOT_FOUND", "ADD COLUMN at TIMESTAMP"),
        ({"training_data__event_timestamp_column": "total_spent"}, "VALIDATION_ERROR", "is no timestamp"),
        ({"hyperparameters__params": {"max_dept": 3}}, "VALIDATION_ERROR", "'max_depth'"),
        ({"framework": "tensorflow"}, "VALIDATION_ERROR", "'sklearn', 'xgboost' or 'lightgbm'"),
        ({"feature_views": ["customer_feature"]}, "FEATURE_VIEW_NOT_FOUND", "'customer_features'"),
        ({"features": ["customer_features:age"]}, "VALIDATION_ERROR", "has no feature 'age'"),
        ({"colour": "red"}, "VALIDATION_ERROR", "colour: there is no such field"),
        ({"training_data__entity_df_source": "custmer_features"}, "TABLE_NOT_FOUND", "customer_features"),
        ({"training_data__entity_df_source": "x'; DROP"}, "VALIDATION_ERROR", "entity_df_source"),
    ],
)
@pytest.mark.usefixtures("dagster_runs")
def test_a_model_that_cannot_be_is_refused_by_name_and_not_declared(
    stocked: TestClient, house_settings: Settings, fields: dict[str, Any], code: str, told: str
) -> None:
    status = {"TABLE_NOT_FOUND": 404, "FEATURE_VIEW_NOT_FOUND": 404}.get(code, 400)
    error = post(stocked, "/feast/models", altered(TRAIN_MODEL, **fields), status)
    assert error["code"] == code
    assert told in error["message"]
    assert models(house_settings) == []


@pytest.mark.usefixtures("dagster_runs")
def test_a_source_that_no_view_stands_on_says_which_there_are(
    stocked: TestClient, house_settings: Settings
) -> None:
    Lakehouse(house_settings).append(
        "gold.orders", customer_features().drop_columns(["customer_id"]), key="orders"
    )
    body = altered(TRAIN_MODEL, training_data__entity_df_source="orders")
    error = post(stocked, "/feast/models", body, 400)
    assert "customer_features (over gold.customer_features)" in error["message"]


def test_what_a_model_left_open_is_frozen(stocked: TestClient, app: FastAPI) -> None:
    house: House = app.state.house
    body = ModelBody.model_validate(TRAIN_MODEL)
    model = settle_model(body, house.declarations, house.lakehouse)
    assert model.training_data.entity_df_source == "gold.customer_features"
    assert model.features == [f"customer_features:{one['name']}" for one in CREATE_FEATURE_VIEW["features"]]
    put(house.settings, [Wanted("model", model, body.model_dump(mode="json"))], "somebody")
    other = altered(
        CREATE_FEATURE_VIEW, name="more_features", features=[{"name": "lifetime_value", "dtype": "float64"}]
    )
    assert stocked.post("/feast/features", json=other).status_code == 201
    resolved = house.declarations.model("customer_churn_predictor")
    assert "lifetime_value" not in {ref.feature for ref in resolved.features}
    gone = stocked.delete("/feast/features/customer_features")
    assert gone.status_code == 409  # the model stands on it


def test_a_table_by_another_name_of_its_entities_offers_the_views_it_has_keys_for(
    stocked: TestClient, app: FastAPI, house_settings: Settings
) -> None:
    """Document 001 trains on `customers`, and its features stand in another table."""
    house: House = app.state.house
    labels = customer_features().select(["customer_id", "created_at", "churned"])
    Lakehouse(house_settings).append("gold.customers", labels, key="labels")
    body = ModelBody.model_validate(
        altered(TRAIN_MODEL, training_data__entity_df_source="iceberg.gold.customers")
    )
    model = settle_model(body, house.declarations, house.lakehouse)
    assert model.training_data.entity_df_source == "gold.customers"
    assert len(model.features or []) == 3


def test_a_prediction_by_an_unknown_model_is_not_found(stocked: TestClient) -> None:
    error = post(stocked, "/feast/predictions/batch", BATCH_PREDICTIONS, 404)
    assert error["code"] == "MODEL_NOT_FOUND"


def test_unknown_runs_models_and_predictions_are_not_found(stocked: TestClient) -> None:
    for path in ("/feast/runs/none", "/feast/models/none", "/feast/predictions/none"):
        answer = stocked.get(path)
        assert (answer.status_code, answer.json()["error"]["message"].endswith("not found.")) == (404, True)
    assert stocked.get("/feast/models").json() == []


def test_what_is_withdrawn_leaves_what_stood_before(stocked: TestClient, app: FastAPI) -> None:
    house: House = app.state.house

    def declare(**fields: Any) -> Made:
        body = altered(TRAIN_MODEL, **fields)
        model = settle_model(ModelBody.model_validate(body), house.declarations, house.lakehouse)
        return put(house.settings, [Wanted("model", model, body)], "somebody", replace=True)[0][0]

    def size() -> float | None:
        stands = [one.model.test_size for one in house.declarations.models]
        return stands[0] if stands else None

    first, second = declare(test_size=0.2), declare(test_size=0.3)
    assert replaced(house.settings, first) is None
    assert not withdraw(house.settings, first, None, "somebody")  # it stands no more
    assert withdraw(house.settings, second, replaced(house.settings, second), "somebody")
    assert size() == 0.2
    (standing,) = (one for one in made(house.settings) if one.kind == "model")
    assert standing.sent == first.sent
    assert withdraw(house.settings, standing, None, "somebody")
    assert size() is None


@pytest.mark.usefixtures("stocked", "dagster_runs")
def test_a_training_that_ends_while_it_is_asked_for_is_the_one_that_was_asked_for(
    house_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends_meanwhile(*_: Any) -> None:
        election = ElectionRecord(
            at=datetime.now(UTC),
            model=TRAIN_MODEL["name"],
            version="20240101_000000",
            promoted=True,
            reason="the first",
            declaration="",
            training_table="training.x",
            training_snapshot=1,
            sources={},
            roots={},
            run_id="the sensor's",
        )
        record_election(house_settings, election)

    monkeypatch.setattr("asgard_pipelines.graph.run_client.RunClient.reload", lambda _: None)
    monkeypatch.setattr("asgard_pipelines.graph.run_client.RunClient.train", ends_meanwhile)
    body = ModelBody.model_validate(TRAIN_MODEL)
    asked = ask_training(House(house_settings), body, "somebody", replacing=False)
    assert (asked.run.run_id, asked.due) == ("the sensor's", False)
