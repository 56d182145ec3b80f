"""Training and predicting over REST, in a house that runs: document 000's bodies in an empty project."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from asgard_pipelines.api import create_app
from asgard_pipelines.declarations import Declarations
from asgard_pipelines.graph import due, graphql
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.project import load
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import made
from asgard_pipelines_tests.api.documents import (
    BATCH_PREDICTIONS,
    CREATE_FEATURE_VIEW,
    TRAIN_MODEL,
    altered,
    customer_features,
    customers_to_score,
)
from asgard_pipelines_tests.empty_project import empty_project
from asgard_pipelines_tests.serving import served, until

pytestmark = pytest.mark.served


class Platform:
    """An empty project that runs, with the documents' tables and their feature view."""

    def __init__(self, settings: Settings, dagster: str, client: TestClient) -> None:
        self.settings, self.dagster, self.client = settings, dagster, client
        self.lakehouse = Lakehouse(settings)

    @property
    def declarations(self) -> Declarations:
        return load(self.settings)

    def post(self, path: str, body: dict[str, Any], status: int, **query: Any) -> dict[str, Any]:
        answer = self.client.post(path, json=body, params=query)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def get(self, path: str, status: int = 200) -> dict[str, Any]:
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def verdict(self, subject: str) -> str:
        """What the sensor would decide now."""
        decisions = due(self.settings, self.declarations)
        return next(one.verdict for one in decisions if one.subject == subject)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    with empty_project(folder) as settings:
        lakehouse = Lakehouse(settings)
        lakehouse.append("gold.customer_features", customer_features(), key="features")
        lakehouse.append("gold.customers_to_score", customers_to_score(), key="to score")
        with served(SimpleNamespace(settings=settings)) as house:
            port = int(house.dagster.rsplit(":", 1)[1])
            app = create_app(settings.model_copy(update={"dagster_port": port}))
            with TestClient(app, base_url="http://127.0.0.1:8000") as client:
                made_platform = Platform(settings, house.dagster, client)
                made_platform.post("/feast/features", CREATE_FEATURE_VIEW, 201)
                yield made_platform


@pytest.fixture(scope="module")
def trained(platform: Platform) -> dict[str, Any]:
    """The answer to document 000's "Train Classification Model"."""
    return platform.post("/feast/models", TRAIN_MODEL, 201)


def test_a_training_answers_with_the_fields_of_the_document(trained: dict[str, Any]) -> None:
    assert trained["status"] == "completed"
    assert trained["model_name"] == trained["name"] == "customer_churn_predictor"
    assert trained["model_id"] == f"customer_churn_predictor_{trained['version']}"
    assert (trained["framework"], trained["model_type"]) == ("sklearn", "classification")
    for metrics in (trained["training_metrics"], trained["test_metrics"]):
        assert {"accuracy", "precision", "recall", "f1_score", "roc_auc", "log_loss"} == metrics.keys()
    assert trained["test_metrics"]["accuracy"] > 0.6
    assert set(trained["feature_importance"]) == {"total_orders", "total_spent", "avg_order_value"}
    assert sum(trained["feature_importance"].values()) == pytest.approx(1)
    assert trained["training_duration_seconds"] > 0
    assert trained["promoted"]


def test_the_model_is_a_node_of_dagster_without_a_restart(
    platform: Platform, trained: dict[str, Any]
) -> None:
    nodes = graphql(platform.dagster, "{ assetNodes { assetKey { path } } }")["assetNodes"]
    keys = {"/".join(node["assetKey"]["path"]) for node in nodes}
    name = trained["name"]
    assert {f"training_sets/{name}", f"models/{name}/sklearn", f"models/{name}"} <= keys
    assert {"gold/customer_features", "features/customer_features"} <= keys
    run = platform.get(f"/feast/runs/{trained['run_id']}")
    assert run["status"] == "completed"
    assert {one["status"] for one in run["assets"]} == {"done"}


def test_the_same_body_again_gives_the_version_there_is(platform: Platform, trained: dict[str, Any]) -> None:
    assert platform.verdict("models/customer_churn_predictor") == "skip"
    assert platform.post("/feast/models", TRAIN_MODEL, 200)["model_id"] == trained["model_id"]
    conflict = platform.post("/feast/models", altered(TRAIN_MODEL, test_size=0.3), 409)
    assert "?replace=true" in conflict["error"]["message"]


def test_a_training_without_enough_rows_says_what_helps_and_leaves_nothing_declared(
    platform: Platform, trained: dict[str, Any]
) -> None:
    body = altered(TRAIN_MODEL, name="too_few", training_data__start_date="2024-12-31T00:00:00Z")
    error = platform.post("/feast/models", body, 400)["error"]
    assert error["code"] == "NOT_ENOUGH_SAMPLES"
    assert error["message"].startswith("Not enough samples")
    assert error["details"]["remedies"] == [
        "Extend date range in training request",
        "Collect more historical data",
        "Reduce test_size (e.g., 0.2 → 0.1)",
    ]
    assert error["details"]["rows"] == 0
    assert "too_few" not in {one.name for one in made(platform.settings)}
    platform.get("/feast/models/too_few", 404)
    run = platform.get(f"/feast/runs/{error['details']['run_id']}")
    assert run["status"] == "failed"
    assert [(one["asset"], one["code"]) for one in run["failures"]] == [
        ("training_sets/too_few", "NOT_ENOUGH_SAMPLES")
    ]


def test_a_batch_prediction_is_published_once_for_its_id(platform: Platform, trained: dict[str, Any]) -> None:
    body = altered(BATCH_PREDICTIONS, model_id=trained["model_id"], prediction_id="pred_xyz789")
    begun = platform.post("/feast/predictions/batch", body, 202, wait="false")
    assert (begun["prediction_id"], begun["status"]) == ("pred_xyz789", "running")
    until(lambda: platform.get("/feast/predictions/pred_xyz789")["status"] == "completed", 200)
    answer = platform.post("/feast/predictions/batch", body, 200)
    assert answer == platform.get("/feast/predictions/pred_xyz789")
    assert (answer["mode"], answer["num_predictions"]) == ("batch", 40)
    assert answer["input_table"] == "iceberg.gold.customers_to_score"
    assert answer["output_table"] == "iceberg.gold.churn_predictions"
    assert (answer["model_id"], answer["model_version"]) == (trained["model_id"], trained["version"])
    assert answer["feature_coverage"] == {"customer_features": 1.0}
    assert answer["warnings"] == []
    rows = platform.lakehouse.read_table(platform.lakehouse.pin("gold.churn_predictions"))
    assert set(rows["prediction_id"].to_pylist()) == {"pred_xyz789"}
    other = altered(body, prediction_column_name="other")
    assert "another prediction" in platform.post("/feast/predictions/batch", other, 409)["error"]["message"]


def test_what_a_prediction_needs_is_not_deleted(platform: Platform, trained: dict[str, Any]) -> None:
    answer = platform.client.delete(f"/feast/models/{trained['name']}")
    assert answer.status_code == 409
    assert answer.json()["error"]["details"]["needed_by"] == ["predictions/churn_predictions"]


def test_the_sensor_retrains_it_when_rows_land(platform: Platform, trained: dict[str, Any]) -> None:
    platform.lakehouse.append("gold.customer_features", customer_features(20), key="more")
    until(lambda: len(platform.get(f"/feast/models/{trained['name']}")["versions"]) == 2, 250)
