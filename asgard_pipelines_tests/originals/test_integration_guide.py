"""Document 004: its two scripts as our commands, then its programs as printed, completed with what they lack.

`from feature_store import` is `from asgard_pipelines.client import` here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from asgard_pipelines.declarations import Declarations, FeatureView
from asgard_pipelines.project import load
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.client.world import make_project
from asgard_pipelines_tests.originals.items import block, text

BIN = Path(sys.executable).parent
TABLES = ("customer_features", "customer_demographics", "customer_contract")


class Guide:
    """A project in which the guide was followed: `generated` and `set_up` are what its two scripts said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_project(folder)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ASGARD_")}
        self.environment = kept | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        self.generated = json.loads(
            self.run("asgard", "features", "generate", "--customers", "300", "--json")
        )
        self.set_up = json.loads(self.run("asgard", "features", "setup", "--json"))

    def run(self, *command: str) -> str:
        """What it prints."""
        ended = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=250
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def program(self, name: str, before: str = "", after: str = "", **completed: str) -> str:
        """Runs a block with what it lacks before and after it; what it prints."""
        printed = block("004", name).replace(
            "from feature_store import", "from asgard_pipelines.client import"
        )
        for there, here in completed.items():
            assert there in printed
            printed = printed.replace(there, here)
        return self.run(sys.executable, "-W", "ignore", "-c", f"{before}\n{printed}\n{after}")


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Guide:
    return Guide(tmp_path_factory.mktemp("guide"))


@pytest.fixture(scope="module")
def declared(guide: Guide) -> Declarations:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ASGARD_REPO", str(guide.folder / "feature_repo"))
        environment.delenv("ASGARD_HOME", raising=False)
        return load(Settings.read())


def test_004_generates_its_three_files(guide: Guide) -> None:
    written = [Path(one["file"]) for one in guide.generated["files"]]
    assert written == [Path("data") / f"{name}.parquet" for name in TABLES]
    for path in written:
        assert f"- `{path.name}`" in text("004")
        rows = parquet.read_table(guide.folder / path)
        assert {"customer_id", "event_timestamp"} <= set(rows.column_names)
        assert {"CUST_000123", "test_customer"} <= set(rows["customer_id"].to_pylist())


def test_004_sets_up_lands_applies_materializes_and_verifies(guide: Guide) -> None:
    done = guide.set_up
    assert [(one["table"], one["outcome"]) for one in done["landed"]] == [
        (f"gold.{name}", "landed") for name in TABLES
    ]
    assert "+ feature view customer_behavior_features" in done["changes"]
    assert "+ on demand feature view customer_derived_features" in done["changes"]
    assert sorted(done["materialized"]) == [
        "customer_behavior_features",
        "customer_contract_features",
        "customer_demographics_features",
    ]
    verified = {one["feature_service"]: one for one in done["verified"]}
    assert set(verified) == {"churn_prediction_online", "churn_prediction_v1"}
    for one in verified.values():
        assert one["found"] == one["history"] == one["features"]
        assert one["differing"] == []
    again = json.loads(guide.run("asgard", "features", "setup", "--json"))
    assert {one["outcome"] for one in again["landed"]} == {"unchanged"}
    assert again["changes"] == []


def test_004_its_views_are_declared_with_entity_features_and_services(declared: Declarations) -> None:
    assert declared.entities[0].join_key == "customer_id"
    views = {view.name: [one.name for one in view.features] for view in declared.all_views}
    assert views["customer_behavior_features"] == [
        "customer_tenure_months",
        "customer_monthly_charges",
        "customer_total_charges",
        "customer_support_tickets",
    ]
    assert views["customer_demographics_features"] == ["customer_age", "customer_gender", "customer_location"]
    assert views["customer_contract_features"] == ["contract_type", "contract_payment_method"]
    assert "customer_derived_features" in {view.name for view in declared.on_demand_views}
    for name in views:
        assert f"`{name}`" in text("004")
    everything = [part.view for part in declared.service("churn_prediction_v1").views]
    assert sorted(everything) == sorted(views)
    online = {
        (part.view, one)
        for part in declared.service("churn_prediction_online").views
        for one in part.features
    }
    whole = {
        (part.view, one) for part in declared.service("churn_prediction_v1").views for one in part.features
    }
    assert online < whole


def test_004_its_best_practices_are_kept(declared: Declarations) -> None:
    """Names begin with a domain, a TTL follows from how often rows come, tags say version and owner."""
    for view in declared.all_views:
        for feature in view.features:
            assert feature.name.startswith(("customer_", "contract_"))
        assert view.tags["version"].startswith("v")
        assert view.tags["owner"] == "ml-team"
        assert isinstance(view, FeatureView) is (view.name != "customer_derived_features")
    times = {view.name: view.ttl for view in declared.views if view.online}
    assert times == {
        "customer_behavior_features": timedelta(days=31),
        "customer_demographics_features": timedelta(days=365),
        "customer_contract_features": timedelta(days=365),
    }


def test_004_its_client_gives_features_for_prediction_and_training(guide: Guide) -> None:
    out = guide.program(
        "2. Feature Store Client (`feature_store/feature_store_client.py`), python 1",
        "import json\nimport pandas as pd\nfrom datetime import datetime",
        "print(json.dumps(features))\nprint(list(training_df.columns), len(training_df))",
    )
    features, frame = out.splitlines()
    found = json.loads(features)
    assert all(value is not None for value in found.values())
    assert len(found) == 5
    assert frame.startswith("['customer_id', 'event_timestamp', 'customer_tenure_months'")
    assert frame.endswith("] 2")


MODEL = """
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

words = (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include=object))
columns = make_column_transformer(words, remainder="passthrough")
model = make_pipeline(columns, RandomForestClassifier(n_estimators=10, random_state=0))
"""


def test_004_its_training_pipeline_runs(guide: Guide) -> None:
    """It lacks customers, their label and a model."""
    out = guide.program(
        "Training Pipeline Integration, python 1",
        MODEL + "customer_ids = [f'CUST_{place:06d}' for place in range(1, 301)]\n"
        "churned = [place % 7 == 0 for place in range(1, 301)]",
        "print(X.shape, list(y) == churned, round(model.score(X, y), 1) > 0.5)",
        **{"* len(customer_ids)\n": "* len(customer_ids),\n    'churn': churned\n"},
    )
    assert out == "(300, 13) True True\n"


def test_004_its_api_predicts(guide: Guide) -> None:
    """It lacks an application, and a model that was trained on the same service."""
    before = """
import pandas as pd
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sklearn.linear_model import LogisticRegression
from asgard_pipelines.client import get_training_features

rows = pd.read_parquet("data/customer_features.parquet", columns=["customer_id", "event_timestamp", "churn"])
trained = get_training_features(rows.dropna(), "churn_prediction_online")
model = LogisticRegression(max_iter=5000).fit(trained.iloc[:, 3:].to_numpy(), trained["churn"].astype(int))
app = FastAPI()
"""
    after = """
answer = TestClient(app).post("/api/v1/predict", params={"customer_id": "CUST_000123"})
print(answer.status_code, answer.json())
"""
    out = guide.program("API Integration, python 1", before, after)
    assert out in ("200 {'prediction': 0}\n", "200 {'prediction': 1}\n")


def test_004_its_discovery_lists_views_services_and_features(guide: Guide) -> None:
    views, services, features = guide.program("Feature Discovery, python 1").splitlines()
    assert views == (
        "Feature Views: ['customer_behavior_features', 'customer_contract_features', "
        "'customer_demographics_features', 'customer_derived_features']"
    )
    assert services == "Feature Services: ['churn_prediction_online', 'churn_prediction_v1']"
    assert features.startswith("Features: ['customer_behavior_features:customer_tenure_months', ")


def test_004_its_test_of_retrieval_passes_and_an_unknown_customer_fails_it(guide: Guide) -> None:
    before = (
        "from asgard_pipelines.client import get_feature_store_client\nclient = get_feature_store_client()"
    )
    name = "5. Testing, python 1"
    assert guide.program(name, before) == ""
    with pytest.raises(AssertionError, match="Feature validation failed"):
        guide.program(name, before, **{"test_customer": "nobody"})


def test_004_its_materialization_for_an_empty_online_store_runs(guide: Guide) -> None:
    """By Feast itself, over our stores."""
    before = "from feast import FeatureStore\nstore = FeatureStore('feature_repo')"
    read = (
        "row = store.get_online_features(['customer_behavior_features:customer_tenure_months'],"
        "[{'customer_id': 'CUST_000123'}]).to_dict()\nprint(row['customer_tenure_months'][0] > 0)"
    )
    assert guide.program("Online Store Empty, python 1", before, read).splitlines()[-1] == "True"


def test_004_its_errors_are_in_its_words(guide: Guide) -> None:
    program = """
from asgard_pipelines.client import get_feature_store_client
from asgard_pipelines.errors import FeatureViewNotFound
try:
    get_feature_store_client().get_online_features([{"customer_id": "a"}], features=["xyz:age"])
except FeatureViewNotFound as error:
    print(error)
"""
    assert "Feature view 'xyz' not found" in guide.run(sys.executable, "-W", "ignore", "-c", program)
