"""The documents' programs that train and predict, as printed, each document in an empty house that runs."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
import yaml

from asgard_pipelines.graph import graphql
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.models import ModelRegistry
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.empty_project import empty_project
from asgard_pipelines_tests.originals.items import block
from asgard_pipelines_tests.originals.running import curl_commands, curls, printed, program, request
from asgard_pipelines_tests.originals.tables import lay_000, lay_001
from asgard_pipelines_tests.serving import House, send, served

pytestmark = [pytest.mark.served, pytest.mark.timeout(900)]
EXAMPLE = "Example 1: End-to-End Churn Prediction, python 1"


class Running:
    """A whole house on an empty project with the tables of one document."""

    def __init__(self, house: House, settings: Settings) -> None:
        self.house, self.settings = house, settings
        self.lakehouse = Lakehouse(settings)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = send(self.house.api, method, path, body)
        assert answer is not None
        return answer

    def rows(self, table: str) -> list[dict[str, Any]]:
        return self.lakehouse.read_table(self.lakehouse.pin(table)).to_pylist()

    def nodes(self) -> set[str]:
        found = graphql(self.house.dagster, "{ assetNodes { assetKey { path } } }")["assetNodes"]
        return {"/".join(node["assetKey"]["path"]) for node in found}


@contextmanager
def _project(folder: Path, lay: Callable[[Lakehouse], None]) -> Iterator[Settings]:
    with empty_project(folder) as settings:
        lay(Lakehouse(settings))
        yield settings


@pytest.fixture(scope="module")
def of_000(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("of_000")
    with _project(folder, lay_000) as settings, served(SimpleNamespace(settings=settings)) as house:
        yield Running(house, settings)


@pytest.fixture(scope="module")
def example_1(of_000: Running) -> dict[str, Any]:
    """What Example 1 printed: the answers to its four requests."""
    lines = program("000", EXAMPLE, of_000.house.api).splitlines()
    told = {line.split(":", 1)[0].strip("✅ "): line.split(":", 1)[1].strip() for line in lines}
    return {
        "view": ast.literal_eval(told["Feature View"]),
        "service": ast.literal_eval(told["Feature Service"]),
        "model_id": told["Model"],
        "accuracy": float(told["Accuracy"]),
        "predictions": ast.literal_eval(told["Predictions"]),
    }


def test_000_example_1_runs_to_its_end(of_000: Running, example_1: dict[str, Any]) -> None:
    assert example_1["view"].get("status") == "registered", example_1["view"]
    assert example_1["service"].get("status") == "created", example_1["service"]
    made = example_1["predictions"]
    assert made.keys() >= printed("000", "Make Predictions, json 1").keys()
    assert (made["status"], made["mode"], made["num_predictions"]) == ("completed", "batch", 40)
    assert made["output_table"] == "iceberg.gold.churn_predictions_latest"
    assert made["model_id"] == example_1["model_id"]
    assert {row["model_id"] for row in of_000.rows("gold.churn_predictions_latest")} == {made["model_id"]}
    name = "churn_classifier_v1"
    wanted = {"features/churn_features_v1", f"models/{name}", "predictions/churn_predictions_latest"}
    assert wanted <= of_000.nodes()


_REPO = """
from datetime import timedelta

from feast import Entity, FeatureView, Field, Project, ValueType
from feast.types import Float64, Int64

from asgard_pipelines.features import gold

project = Project(name="shop", description="")
customer = Entity(name="customer_id", join_keys=["customer_id"], value_type=ValueType.STRING)
churn_features_v1 = FeatureView(
    name="churn_features_v1",
    entities=[customer],
    schema=[
        Field(name="total_orders", dtype=Int64),
        Field(name="total_spent", dtype=Float64),
        Field(name="avg_order_value", dtype=Float64),
        Field(name="days_since_last_order", dtype=Int64),
    ],
    source=gold("customer_aggregates", timestamp_field="created_at"),
    ttl=timedelta(days=1),
    online=False,
)
"""


def test_000_example_1_has_the_numbers_of_the_same_work_at_the_command_line(
    of_000: Running, example_1: dict[str, Any], tmp_path: Path
) -> None:
    example = ast.parse(block("000", EXAMPLE))
    bodies = {
        node.targets[0].id: node.value  # type: ignore[attr-defined]
        for node in example.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
    }
    model = ast.literal_eval(bodies["training_request"])
    with _project(tmp_path, lay_000) as settings:
        repo = settings.repo
        (repo / "repo.py").write_text(_REPO)
        for folder in ("models", "predictions"):
            (repo / folder).mkdir(exist_ok=True)
        (repo / "models" / f"{model['name']}.yaml").write_text(yaml.safe_dump(model))
        prediction = {
            "model_id": model["name"],
            "input_table": "customers_to_score",
            "entity_columns": ["customer_id"],
            "feature_views": ["churn_features_v1"],
            "output_table": "churn_predictions_latest",
            "output_schema": "gold",
            "prediction_column_name": "churn_probability",
            "event_timestamp_column": "created_at",
        }
        (repo / "predictions" / "churn_predictions_latest.yaml").write_text(yaml.safe_dump(prediction))
        command = [sys.executable, "-m", "asgard_pipelines.cli", "build", "--json"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=400)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        built = ModelRegistry(settings).champion(model["name"])
        assert built is not None
        lakehouse = Lakehouse(settings)
        rows = lakehouse.read_table(lakehouse.pin("gold.churn_predictions_latest")).to_pylist()
    trained = ModelRegistry(of_000.settings).find(example_1["model_id"])
    assert built.metrics == trained.metrics
    assert built.metrics["test_accuracy"] == example_1["accuracy"]
    assert built.sha256["model.skops"] == trained.sha256["model.skops"]
    columns = ("customer_id", "created_at", "churn_probability", "predicted_label")
    here = [tuple(row[one] for one in columns) for row in rows]
    there = [tuple(row[one] for one in columns) for row in of_000.rows("gold.churn_predictions_latest")]
    assert sorted(here) == sorted(there)


def test_000_example_2_by_curl_without_a_content_type(of_000: Running) -> None:
    view, model = curls("000", "Example 2: Production Quality Prediction, bash 1", of_000.house.api)
    assert (view["name"], view["status"]) == ("quality_features", "registered")
    assert (model["model_name"], model["framework"], model["status"]) == (
        "quality_predictor",
        "xgboost",
        "completed",
    )
    assert set(model["feature_importance"]) == {"temperature", "pressure", "speed"}


def test_000_its_trainings_and_its_prediction_by_curl(of_000: Running) -> None:
    address = of_000.house.api
    curls("000", "Create Feature View, bash 1", address)
    (trained,) = curls("000", "Train Classification Model, bash 1", address)
    told = printed("000", "Train Classification Model, json 1")
    assert trained.keys() >= told.keys()
    for metrics in ("training_metrics", "test_metrics"):
        assert trained[metrics].keys() >= told[metrics].keys()
    assert trained["model_id"] == f"customer_churn_predictor_{trained['version']}"
    assert datetime.strptime(trained["version"], "%Y%m%d_%H%M%S")
    (regression,) = curls("000", "Train Regression Model, bash 1", address)
    assert {"mse", "rmse", "mae", "r2_score"} == regression["test_metrics"].keys()
    (made,) = curls(
        "000", "Make Predictions, bash 1", address, churn_predictor_20251014_100500=trained["model_id"]
    )
    assert made.keys() >= printed("000", "Make Predictions, json 1").keys()
    assert made["num_predictions"] == 40
    (listed,) = curls("000", "List Trained Models, bash 1", address)
    assert {"customer_churn_predictor", "customer_ltv_predictor"} <= {one["name"] for one in listed}


def test_000_a_model_is_replaced_when_it_is_said(of_000: Running) -> None:
    (command,) = curl_commands("000", "Train Regression Model, bash 1")
    found = re.search(r"-d '(.*)'", command, re.DOTALL)
    assert found
    body = json.loads(found[1]) | {"name": "replaced_predictor"}
    view = json.loads(
        re.search(r"-d '(.*)'", curl_commands("000", "Create Feature View, bash 1")[0], re.DOTALL)[1]
    )  # type: ignore[index]
    assert of_000.ask("POST", "/feast/features", view)[0] in (200, 201)
    status, first = of_000.ask("POST", "/feast/models", body)
    assert status == 201
    changed = body | {"test_size": 0.3}
    status, refused = of_000.ask("POST", "/feast/models", changed)
    assert (status, "?replace=true" in refused["error"]["message"]) == (409, True)
    status, second = of_000.ask("POST", "/feast/models?replace=true", changed)
    assert status == 201
    assert second["model_id"] != first["model_id"]
    (node,) = [one for one in of_000.ask("GET", "/feast/models")[1] if one["name"] == "replaced_predictor"]
    assert len(node["versions"]) == 2


def test_000_a_table_with_other_columns_is_not_overwritten(
    of_000: Running, example_1: dict[str, Any]
) -> None:
    of_000.lakehouse.append("gold.legacy_scores", pa.table({"customer": [1], "score": ["high"]}), key="first")
    body = {
        "model_id": example_1["model_id"],
        "input_table": "customers_to_score",
        "entity_columns": ["customer_id"],
        "feature_views": ["churn_features_v1"],
        "output_table": "legacy_scores",
        "event_timestamp_column": "created_at",
    }
    status, refused = of_000.ask("POST", "/feast/predictions/batch", body)
    assert (status, refused["error"]["code"]) == (409, "CONFLICT")
    assert "legacy_scores" in refused["error"]["message"]
    assert of_000.rows("gold.legacy_scores") == [{"customer": 1, "score": "high"}]


def test_001_its_requests_one_after_the_other(tmp_path: Path) -> None:
    with _project(tmp_path, lay_001) as settings, served(SimpleNamespace(settings=settings)) as house:
        running = Running(house, settings)
        method, path, view = request("001", "1. Register Features from Iceberg Gold Layer, python 1")
        assert running.ask(method, path, view)[0] == 201
        assert running.ask("GET", "/feast/features")[0] == 200
        method, path, model = request("001", "2. Train Model, python 1")
        status, trained = running.ask(method, path, model)
        assert (status, trained["status"]) == (201, "completed")
        (listed,) = running.ask("GET", "/feast/models")[1]
        assert listed["model_id"] == trained["model_id"]
        assert {"accuracy", "f1_score", "precision", "recall"} <= trained["test_metrics"].keys()
        method, path, asked = request("001", "3. Predict, python 1")
        status, answer = running.ask(method, path, asked | {"model_id": trained["model_id"]})
        assert (status, answer["features"]) == (200, asked["features"])
        assert 0 <= answer["prediction"] <= 1
        batch = {
            "model_id": "churn_predictor",
            "input_table": "customers",
            "entity_columns": ["customer_id"],
            "feature_views": ["customer_features"],
            "output_table": "churn",
            "event_timestamp_column": "snapshot_date",
        }
        status, made = running.ask("POST", "/feast/predictions/batch", batch)
        assert (status, made["num_predictions"]) == (201, 300)
        assert running.ask("GET", "/feast/status")[1]["num_feature_views"] == 1
