"""The documents' requests and programs that train nothing, as they are printed, each in an empty project."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from asgard_pipelines.cli.ports import free_port
from asgard_pipelines.lakehouse import Lakehouse, run_sql
from asgard_pipelines.project import init
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.originals.items import block
from asgard_pipelines_tests.originals.running import curls, printed, program, request
from asgard_pipelines_tests.originals.tables import lay_000, lay_001, lay_002
from asgard_pipelines_tests.serving import api, send


class Served:
    """The API of an empty project with the tables of one document."""

    def __init__(self, address: str, settings: Settings) -> None:
        self.address = address
        self.lakehouse = Lakehouse(settings)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The body is sent as `curl -d` sends it: as if it were a form."""
        answer = send(self.address, method, path, body)
        assert answer is not None
        return answer


def _serve(folder: Path, lay: Callable[[Lakehouse], None]) -> Iterator[Served]:
    init(folder / "shop", empty=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ASGARD_REPO", str(folder / "shop"))
        environment.setenv("ASGARD_HOME", str(folder / "home"))
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert "ASGARD_AUTH" not in os.environ
        settings = Settings.read()
        lay(Lakehouse(settings))
        port = free_port()
        with api(port, folder / "api.log"):
            yield Served(f"http://127.0.0.1:{port}", settings)


@pytest.fixture(scope="module")
def of_000(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from _serve(tmp_path_factory.mktemp("of_000"), lay_000)


@pytest.fixture(scope="module")
def of_001(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from _serve(tmp_path_factory.mktemp("of_001"), lay_001)


@pytest.fixture(scope="module")
def of_002(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from _serve(tmp_path_factory.mktemp("of_002"), lay_002)


def test_000_declares_lists_and_tells_its_status_by_curl(of_000: Served) -> None:
    (made,) = curls("000", "Create Feature View, bash 1", of_000.address)
    told = printed("000", "Create Feature View, json 1")
    assert made.keys() >= told.keys()
    for field in ("name", "entities", "features", "status"):
        assert made[field] == told[field]
    (service,) = curls("000", "Create Feature Service, bash 1", of_000.address)
    assert service["name"] == "churn_prediction_features"
    assert (service["feature_views"], service["status"]) == (["customer_features"], "created")
    assert service.keys() >= printed("000", "Feature Service Creation, json 1").keys()

    (listed,) = curls("000", "List Feature Views, bash 1", of_000.address)
    (shown,) = printed("000", "List Feature Views, json 1")
    (found,) = listed
    assert found.keys() >= shown.keys()
    for field in ("name", "entities", "online_enabled", "ttl_seconds"):
        assert found[field] == shown[field]
    assert [{key: one[key] for key in ("name", "dtype")} for one in found["features"]] == shown["features"]
    assert found.keys() >= printed("000", "Feature View Registration, json 1").keys()

    status, views, models = curls("000", "Test API Endpoints, bash 1", of_000.address)
    assert status.keys() >= printed("000", "Feature Store Status, json 1").keys()
    assert (status["num_feature_views"], status["num_entities"], status["num_feature_services"]) == (1, 1, 1)
    assert views == listed
    assert models == []
    assert curls("000", "List Trained Models, bash 1", of_000.address) == [[]]
    assert curls("000", "Quick Reference Commands, bash 1", of_000.address) == [status, views, [], []]


def test_000_its_errors_are_in_its_words(of_000: Served) -> None:
    body = {
        "name": "of_no_time",
        "entities": ["customer_id"],
        "features": [{"name": "total_orders", "dtype": "int64"}],
        "source": {"table_name": "production_runs", "timestamp_field": "created_at"},
    }
    status, answer = of_000.ask("POST", "/feast/features", body | {"entities": ["production_run_id"]})
    assert (status, answer["error"]["code"]) == (400, "COLUMN_NOT_FOUND")
    assert answer["error"]["message"].startswith("Column 'created_at' not found")
    assert answer["error"]["details"]["sql"].startswith("ALTER TABLE iceberg.gold.production_runs ADD COLUMN")


def test_000_its_queries_run(of_000: Served) -> None:
    scores = of_000.lakehouse.read_table(of_000.lakehouse.pin("gold.customer_features"), ["customer_id"])
    shares = [place / scores.num_rows for place in range(scores.num_rows)]
    import pyarrow as pa

    of_000.lakehouse.append(
        "gold.churn_predictions", scores.append_column("churn_probability", pa.array(shares)), key="first"
    )
    view, distribution = block("000", "Query Prediction Results, sql 1").split(";")[:2]
    rows = run_sql(of_000.lakehouse, view).table.to_pylist()
    assert len(rows) == 100
    assert {row["risk_category"] for row in rows} == {"Medium Risk", "High Risk"}
    ranges = run_sql(of_000.lakehouse, distribution).table.to_pylist()
    assert sum(row["count"] for row in ranges) == scores.num_rows
    assert sum(row["percentage"] for row in ranges) == pytest.approx(100)
    names = {"your_table": "customer_features", "entity_column": "customer_id", "label_column": "churned"}
    for name in ("Validate Your Data, sql 1", "Issue: Insufficient data for training, sql 1"):
        for query in block("000", name).split(";"):
            for there, here in names.items():
                query = query.replace(there, here)
            if "SELECT" in query:
                assert run_sql(of_000.lakehouse, query).table.num_rows >= 1


def test_001_registers_lists_and_tells_its_status(of_001: Served) -> None:
    method, path, body = request("001", "1. Register Features from Iceberg Gold Layer, python 1")
    assert of_001.ask(method, path, body)[0] == 201
    assert of_001.ask(method, path, body)[0] == 200
    status, listed = of_001.ask("GET", "/feast/features")
    assert (status, [one["name"] for one in listed]) == (200, ["customer_features"])
    assert of_001.ask("GET", "/feast/models") == (200, [])
    assert of_001.ask("GET", "/feast/status")[1]["num_feature_views"] == 1


def test_001_its_status_codes_mean_what_it_says(of_001: Served) -> None:
    assert of_001.ask("GET", "/feast/status")[0] == 200
    assert of_001.ask("POST", "/feast/features", {"name": "x"})[0] == 400
    assert of_001.ask("GET", "/feast/features/nothing")[0] == 404
    _, _, asked = request("001", "3. Predict, python 1")
    status, answer = of_001.ask("POST", "/feast/predictions/online", asked)
    assert (status, answer["error"]["code"]) == (404, "MODEL_NOT_FOUND")


def test_002_its_programs_run_as_printed(of_002: Served) -> None:
    assert views_at_first(of_002) == 0
    out = program("002", "2. Register Feature View, python 1", of_002.address)
    assert "'name': 'customer_features'" in out
    assert "'status': 'registered'" in out
    orders = {
        "name": "order_features",
        "entities": ["customer_id"],
        "features": [{"name": "last_amount", "dtype": "float64"}],
        "source": {"table_name": "order_features", "timestamp_field": "updated_at"},
    }
    assert of_002.ask("POST", "/feast/features", orders)[0] == 201
    assert program("002", "Example 1: Check Platform Status, python 1", of_002.address).splitlines() == [
        "MLflow Available: True",
        "Feast Available: True",
        "Feature Views: 2",
    ]
    listed = program("002", "Example 2: List Feature Views, python 1", of_002.address).splitlines()
    assert listed[:3] == ["Feature View: customer_features", "  Entities: ['customer_id']", "  Features: 4"]
    assert "    - days_since_last_order (int32)" in listed
    service = program("002", "Example 3: Create Feature Service, python 1", of_002.address)
    assert "'name': 'ml_features_service'" in service
    assert "'status': 'created'" in service
    status = program("002", "Example 4: Check Feast Status, python 1", of_002.address)
    assert status.splitlines()[-2:] == ["Feature Views: 2", "Entities: 1"]


def views_at_first(served: Served) -> int:
    """002's status before anything is declared: the number of views. All fields it prints are there."""
    for path, name in (
        ("/mlops/status", "1. Connectivity & Status Check, json 1"),
        ("/feast/status", "1. Connectivity & Status Check, json 2"),
    ):
        status, answer = served.ask("GET", path)
        assert status == 200
        assert answer.keys() >= printed("002", name).keys()
    assert served.ask("GET", "/feast/features") == (200, [])
    return int(served.ask("GET", "/mlops/status")[1]["feature_views"])


def test_002_its_request_is_answered_as_000_says(of_002: Served) -> None:
    """002 prints `features` as a number and `entities` as text; 000 and API.md have lists."""
    body = printed("002", "3. Create Feature View, json 1")
    status, answer = of_002.ask("POST", "/feast/features", body)
    assert status == 201
    assert answer.keys() >= printed("002", "3. Create Feature View, json 2").keys()
    assert (answer["name"], answer["entities"], len(answer["features"])) == (
        "test_features_1762154528",
        ["customer_id"],
        4,
    )
    assert answer["status"] == "registered"
