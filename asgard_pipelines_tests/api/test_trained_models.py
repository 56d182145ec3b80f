"""Models that have been trained: predicting with them at once, promoting, rolling back, deprecating."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from asgard_pipelines.api import create_app
from asgard_pipelines.api.house import House
from asgard_pipelines.declarations import ModelBody, PredictionBody
from asgard_pipelines.graph import due, prepare_instance, reconcile
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.models import ModelRegistry, ModelVersion
from asgard_pipelines.predictions import last_published
from asgard_pipelines.project import Wanted, put, settle_model, settle_prediction
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import last_decisions, last_election
from asgard_pipelines_tests.api.documents import (
    BATCH_PREDICTIONS,
    CREATE_FEATURE_VIEW,
    TRAIN_MODEL,
    altered,
    customer_features,
    customers_to_score,
)
from asgard_pipelines_tests.empty_project import empty_project

NAME = "churn"
FEATURES = {"total_orders": 15, "total_spent": 83.37, "avg_order_value": 5.2}
FOREST = {"n_estimators": 20, "max_depth": 4}


class Trained:
    """A model with two versions of different depth, its view online, and a prediction table by it."""

    def __init__(self, app: FastAPI, client: TestClient) -> None:
        self.house: House = app.state.house
        self.client = client
        self.lakehouse = self.house.lakehouse

    @property
    def settings(self) -> Settings:
        return self.house.settings

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(self.settings)

    def train(self, **fields: Any) -> None:
        """Declares it so, and does what is due in this process."""
        body = altered(TRAIN_MODEL, name=NAME, **fields)
        model = settle_model(ModelBody.model_validate(body), self.house.declarations, self.lakehouse)
        put(self.settings, [Wanted("model", model, body)], "somebody", replace=True)
        self.keep_up()

    def keep_up(self) -> None:
        for outcome in reconcile(self.settings, self.house.declarations):
            assert outcome.failures == []

    def versions(self) -> list[ModelVersion]:
        """Newest first."""
        return self.registry.versions(NAME)

    def online(self, status: int = 200, **body: Any) -> dict[str, Any]:
        answer = self.client.post("/feast/predictions/online", json={"model_id": NAME, **body})
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def infer(self, status: int = 200, **body: Any) -> dict[str, Any]:
        answer = self.client.post("/mlops/inference", json={"model_name": NAME, **body})
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    folder: Path = tmp_path_factory.mktemp("trained")
    with empty_project(folder) as settings:
        prepare_instance(settings)
        lakehouse = Lakehouse(settings)
        lakehouse.append("gold.customer_features", customer_features(), key="features")
        lakehouse.append("gold.customers_to_score", customers_to_score(), key="to score")
        app = create_app(settings)
        with TestClient(app, base_url="http://127.0.0.1:8000") as client:
            view = altered(CREATE_FEATURE_VIEW, online=True, ttl_seconds=None)
            assert client.post("/feast/features", json=view).status_code == 201
            world = Trained(app, client)
            world.train(hyperparameters__params=FOREST)
            table = altered(BATCH_PREDICTIONS, model_id=NAME)
            prediction = settle_prediction(
                PredictionBody.model_validate(table), world.house.declarations, lakehouse
            )
            put(settings, [Wanted("prediction", prediction, table)], "somebody")
            world.train(hyperparameters__params=FOREST | {"max_depth": 5})
            assert len(world.versions()) == 2
            yield world


def test_features_that_are_sent_are_predicted_at_once(trained: Trained) -> None:
    answer = trained.online(features=FEATURES)
    champion = trained.registry.champion(NAME)
    assert champion is not None
    assert (answer["model_id"], answer["model_version"]) == (champion.model_id, champion.version)
    assert answer["features"] == FEATURES
    assert answer["probabilities"] == {
        "true": answer["prediction"],
        "false": pytest.approx(1 - answer["prediction"]),
    }
    assert answer["predicted_label"] is (answer["prediction"] > 0.5)
    for name in (champion.model_id, f"{NAME}@champion"):
        assert trained.online(model_id=name, features=FEATURES)["prediction"] == answer["prediction"]


def test_an_online_prediction_is_that_of_the_prediction_table(trained: Trained) -> None:
    rows = trained.lakehouse.read_table(trained.lakehouse.pin("gold.churn_predictions")).to_pylist()
    published = {row["customer_id"]: row for row in rows}
    source = {row["customer_id"]: row for row in customer_features().to_pylist()}
    for customer in ("C000", "C017", "C039"):
        given = {name: source[customer][name] for name in FEATURES}
        answer = trained.online(model_id=published[customer]["model_id"], features=given)
        assert answer["prediction"] == published[customer]["churn_probability"]
        by_entity = trained.online(
            model_id=published[customer]["model_id"], entities={"customer_id": customer}
        )
        assert by_entity["prediction"] == published[customer]["churn_probability"]
        assert by_entity["features"] == given
        assert by_entity["feature_status"] == {"customer_features": "found"}


def test_several_rows_are_inferred_at_once_as_one_by_one(trained: Trained) -> None:
    champion = trained.registry.champion(NAME)
    assert champion is not None
    rows = [FEATURES, FEATURES | {"total_orders": 1}, FEATURES | {"total_spent": None}]
    alone = [trained.online(features=row) for row in rows]
    for named in ({}, {"alias": "champion"}, {"model_version": champion.version}):
        answer = trained.infer(inputs=rows, **named)
        assert (answer["model_id"], answer["model_name"]) == (champion.model_id, NAME)
        assert answer["predictions"] == [one["prediction"] for one in alone]
        assert answer["predicted_labels"] == [one["predicted_label"] for one in alone]
        assert answer["probabilities"] == [one["probabilities"] for one in alone]
        assert answer["features"] == rows
        assert (answer["num_predictions"], answer["feature_status"]) == (3, None)


def test_of_entities_that_are_not_there_nothing_is_inferred(trained: Trained) -> None:
    asked = [{"customer_id": "C017"}, {"customer_id": "nobody"}, {"customer_id": "C000"}]
    answer = trained.infer(entities=asked)
    alone = [trained.online(entities=asked[place])["prediction"] for place in (0, 2)]
    assert answer["predictions"] == [alone[0], None, alone[1]]
    assert (answer["predicted_labels"][1], answer["probabilities"][1]) == (None, None)
    assert [one["customer_features"] for one in answer["feature_status"]] == ["found", "missing", "found"]
    assert answer["num_predictions"] == 2
    assert "missing" in trained.infer(400, entities=asked[1:2])["error"]["message"]


def test_what_cannot_be_inferred_is_refused_with_its_row(trained: Trained) -> None:
    error = trained.infer(400, inputs=[FEATURES, {"total_orders": 1}])["error"]
    assert (error["details"]["row"], error["details"]["missing"]) == (1, ["avg_order_value", "total_spent"])
    for wrong in (
        {},
        {"inputs": []},
        {"inputs": [FEATURES] * 1001},
        {"inputs": [FEATURES], "entities": [{"customer_id": "C000"}]},
        {"inputs": [FEATURES], "alias": "champion", "model_version": "20250101_000000"},
        {"inputs": FEATURES},
    ):
        assert trained.infer(400, **wrong)["error"]["code"] == "VALIDATION_ERROR"
    for unknown in ({"model_name": "chrun"}, {"alias": "staging"}, {"model_version": "20200101_000000"}):
        error = trained.infer(404, inputs=[FEATURES], **unknown)["error"]
        assert (error["code"], NAME in error["message"]) == ("MODEL_NOT_FOUND", True)


def test_the_platforms_status_has_the_fields_of_the_document(trained: Trained) -> None:
    answer = trained.client.get("/mlops/status")
    assert answer.status_code == 200
    status = answer.json()
    assert status["mlflow_tracking_uri"] == "http://127.0.0.1:5000"
    assert (status["mlflow_available"], status["feast_store_available"]) == (True, True)
    assert (status["registered_models"], status["feature_views"]) == (1, 1)
    assert status["active_experiments"] == 2  # MLflow's own default, and the model's
    assert status["dagster_available"] is False
    assert abs(datetime.fromisoformat(status["timestamp"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_what_is_missing_extra_or_unknown_is_said(trained: Trained) -> None:
    error = trained.online(400, features={"total_orders": 1, "total_spent": 2.0, "age": 40})["error"]
    assert (error["details"]["missing"], error["details"]["extra"]) == (["avg_order_value"], ["age"])
    error = trained.online(400, features=FEATURES | {"total_orders": "many"})["error"]
    assert error["code"] == "TYPE_MISMATCH"
    error = trained.online(400, entities={"customer_id": "nobody"})["error"]
    assert "customer_features: missing" in error["message"]
    error = trained.online(404, model_id="chrun", features=FEATURES)["error"]
    assert (error["code"], NAME in error["message"]) == ("MODEL_NOT_FOUND", True)
    assert trained.online(400)["error"]["code"] == "VALIDATION_ERROR"


def test_a_promoted_version_predicts_and_a_rollback_brings_the_one_before_back(trained: Trained) -> None:
    champion = trained.registry.champion(NAME)
    assert champion is not None
    other = next(one for one in trained.versions() if one.version != champion.version)
    before = trained.online(features=FEATURES)
    answer = trained.client.post(f"/feast/models/{NAME}/promote", json={"version": other.version})
    assert (answer.status_code, answer.json()["aliases"]) == (200, ["champion"])
    assert trained.online(features=FEATURES)["model_id"] == other.model_id
    election = last_election(trained.settings, NAME)
    assert election is not None
    assert election.version == other.version
    decided = next(one for one in last_decisions(trained.settings) if one.subject == f"models/{NAME}")
    assert (decided.verdict, other.model_id in decided.reason) == ("promote", True)
    verdicts = {one.subject: one.verdict for one in due(trained.settings, trained.house.declarations)}
    assert verdicts[f"models/{NAME}"] == "skip"
    assert verdicts["predictions/churn_predictions"] == "predict"
    trained.keep_up()
    table = trained.house.declarations.prediction("churn_predictions")
    published = last_published(trained.lakehouse, table)
    assert published is not None
    assert published.model_version == other.version

    answer = trained.client.post(f"/feast/models/{NAME}/rollback")
    assert (answer.status_code, answer.json()["model_id"]) == (200, champion.model_id)
    after = trained.online(features=FEATURES)
    assert (after["model_id"], after["prediction"]) == (before["model_id"], before["prediction"])


def test_an_alias_that_moves_elsewhere_is_noticed(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asgard_pipelines.predictions.loaded_models._SECONDS", 0.0)
    for version in trained.versions():
        trained.registry.promote(version, "staging")
        answer = trained.online(model_id=f"{NAME}@staging", features=FEATURES)
        assert answer["model_id"] == version.model_id


def test_an_artefact_with_other_bytes_is_never_loaded(trained: Trained) -> None:
    newest, oldest = trained.versions()
    files = list(Path(trained.settings.artefact_root).rglob("signature.json"))
    assert len(files) == 2
    kept = {path: path.read_bytes() for path in files}
    trained.house.online.models.forget()
    try:
        for path, data in kept.items():
            path.write_text(json.dumps(json.loads(data) | {"positive_label": False}))
        for version in (newest, oldest):
            error = trained.online(409, model_id=version.model_id, features=FEATURES)["error"]
            assert error["code"] == "UNTRUSTED_ARTEFACT"
    finally:
        for path, data in kept.items():
            path.write_bytes(data)
    assert trained.online(model_id=newest.model_id, features=FEATURES)["mode"] == "online"


def test_models_and_publications_are_listed_and_shown(trained: Trained) -> None:
    (listed,) = trained.client.get("/feast/models").json()
    assert (listed["name"], listed["model_name"], listed["status"]) == (NAME, NAME, "completed")
    assert {one["version"] for one in listed["versions"]} == {one.version for one in trained.versions()}
    shown = trained.client.get(f"/feast/models/{NAME}").json()
    assert shown["needed_by"] == ["predictions/churn_predictions"]
    assert shown["source"] == "gold.customer_features"
    table = trained.house.declarations.prediction("churn_predictions")
    published = last_published(trained.lakehouse, table)
    assert published is not None
    answer = trained.client.get(f"/feast/predictions/{published.prediction_id}").json()
    assert (answer["num_predictions"], answer["status"]) == (published.rows, "completed")
    assert datetime.fromisoformat(answer["created_at"]) == published.predicted_at


def test_a_fixed_window_is_due_only_when_rows_inside_it_change(trained: Trained) -> None:
    def land(time: datetime) -> str:
        """What is decided on the model after a landing of one such row."""
        row = customer_features(1)
        at = pa.array([time], pa.timestamp("us"))
        row = row.set_column(row.schema.get_field_index("created_at"), "created_at", at)
        trained.lakehouse.append("gold.customer_features", row, key=str(time))
        decisions = due(trained.settings, trained.house.declarations)
        return next(one.verdict for one in decisions if one.subject == f"models/{NAME}")

    assert land(datetime(2025, 1, 1)) == "skip"
    assert land(datetime(2024, 12, 31)) == "train"


def test_a_version_is_deprecated_and_a_model_deleted_once_nothing_needs_them(trained: Trained) -> None:
    champion = trained.registry.champion(NAME)
    assert champion is not None
    other = next(one for one in trained.versions() if one.version != champion.version)
    trained.client.post(f"/feast/models/{NAME}/deprecate", json={})
    told = [f"Model '{NAME}' is deprecated."]
    assert trained.online(features=FEATURES)["warnings"] == told
    assert trained.infer(inputs=[FEATURES])["warnings"] == told
    trained.client.post(f"/feast/models/{NAME}/deprecate", json={"deprecated": False})
    assert trained.online(features=FEATURES)["warnings"] == []
    assert trained.client.delete(f"/feast/models/{champion.model_id}").status_code == 409
    assert trained.client.delete(f"/feast/models/{other.model_id}").json()["status"] == "deprecated"
    assert trained.online(409, model_id=other.model_id, features=FEATURES)["error"]["code"] == "CONFLICT"
    promoted = trained.client.post(f"/feast/models/{NAME}/promote", json={"model_id": other.model_id})
    assert promoted.status_code == 409

    assert trained.client.delete(f"/feast/models/{NAME}").status_code == 409
    assert trained.client.delete("/feast/predictions/churn_predictions").status_code == 200
    assert trained.client.delete(f"/feast/models/{NAME}").json() == {"model_id": NAME, "status": "deleted"}
    (listed,) = trained.client.get("/feast/models").json()
    assert (listed["status"], len(listed["versions"])) == ("deprecated", 2)
