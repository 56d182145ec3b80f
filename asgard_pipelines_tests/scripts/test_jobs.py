"""A job with everything around it: Feast, the lakehouse and MLflow, as a script sees them and leaves them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from mlflow import MlflowClient
from starlette.testclient import TestClient

from asgard_pipelines.api import create_app
from asgard_pipelines.features import apply
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.models import ModelRegistry
from asgard_pipelines.project import init
from asgard_pipelines.scripts import run_job
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import ScriptJob, add_job
from asgard_pipelines.training import load_predictor

pytestmark = pytest.mark.scripts

VIEWS = """
from datetime import timedelta
from feast import Entity, FeatureView, Field, ValueType
from feast.types import Int64
from asgard_pipelines.features import gold

customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
customer_features = FeatureView(
    name="customer_features",
    entities=[customer],
    ttl=timedelta(days=1),
    schema=[Field(name="orders", dtype=Int64)],
    source=gold("customers", timestamp_field="updated_at"),
)
"""
TRAINING = """
import json, os, sys
import mlflow, pandas as pd
from feast import FeatureStore
from sklearn.linear_model import LogisticRegression

store = FeatureStore(repo_path=os.environ["FEAST_REPO_PATH"])
given = store.get_historical_features(
    entity_df=pd.DataFrame({"customer_id": [1, 2, 3, 4]}), features=["customer_features:orders"]
).to_df()
print("READ", given.orders.tolist())

def attempt(name, way):
    try:
        way()
        print("DONE", name)
    except Exception as error:
        print("REFUSED", name, type(error).__name__)

from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.settings import Settings
house = Lakehouse(Settings.read())
print("TABLES", [one.table for one in house.tables()])
rows = house.read_table(house.pin("gold.customers"))
attempt("append", lambda: house.append("gold.customers", rows, key="mine"))
attempt("secret", lambda: house.pin("gold.salaries"))
attempt("drop", lambda: house.catalog.iceberg.drop_table("gold.customers"))
attempt("apply", lambda: store.apply([], objects_to_delete=store.list_feature_views(), partial=False))
attempt("remove", lambda: os.remove("/tmp/feast_repo/registry.db"))
print(os.environ.get("SOME_SECRET"), "hunter2-hunter2", "postgresql://me:not-for-you@host/db")

with mlflow.start_run():
    model = LogisticRegression().fit(pd.DataFrame({"orders": [1.0, 2.0, 3.0, 4.0]}), [0, 0, 1, 1])
    mlflow.log_metric("accuracy", 1.0)
    mlflow.sklearn.log_model(model, name="model", input_example=pd.DataFrame({"orders": [1.0]}))
"""


@pytest.fixture
def house(tmp_path: Path, empty_tracking: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A project with one view over one table, and another table that no view reads."""
    init(tmp_path / "shop", empty=True)
    repo = next(path.parent for path in (tmp_path / "shop").rglob("feature_store.yaml"))
    (repo / "repo.py").write_text(VIEWS)
    monkeypatch.setenv("ASGARD_REPO", str(repo))
    monkeypatch.setenv("ASGARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SOME_SECRET", "hunter2-hunter2")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    settings = Settings.read()
    settings.state_folder.mkdir(parents=True)
    (settings.state_folder / "mlflow.db").write_bytes(empty_tracking.read_bytes())
    now = pa.array([datetime.now(UTC).replace(tzinfo=None)] * 3, pa.timestamp("us"))
    rows = pa.table({"customer_id": [1, 2, 3], "orders": [5, 6, 7], "updated_at": now})
    Lakehouse(settings).append("gold.customers", rows, key="first")
    Lakehouse(settings).append("gold.salaries", rows, key="first")
    apply(settings)
    return settings


@pytest.fixture
def job(house: Settings) -> Callable[..., ScriptJob]:
    """Runs a script as a job; the job as it ended."""

    def run(source: str, **fields: str) -> ScriptJob:
        job_id = f"job_{abs(hash(source))}"
        now = datetime.now(UTC)
        given = {"experiment_name": "mine", "script_name": "train.py", "principal": "mira", **fields}
        add_job(house, ScriptJob(job_id=job_id, source=source, created_at=now, **given))
        return run_job(house, job_id)

    return run


def test_a_script_reads_what_views_read_and_changes_nothing(
    house: Settings, job: Callable[..., ScriptJob]
) -> None:
    lakehouse = Lakehouse(house)
    before = {one.table: one.snapshot_id for one in lakehouse.tables()}
    files = _files(house)
    ended = job(TRAINING, model_name="churn_classifier")
    assert ended.status == "completed", ended
    told = ended.log_tail
    assert "READ [5.0, 6.0, 7.0, nan]" in told
    assert "TABLES ['gold.customers']" in told
    assert "REFUSED append" in told
    assert "REFUSED secret TableNotFound" in told
    assert "hunter2" not in told
    assert "not-for-you" not in told
    assert "None •••" in told, "the variable is not there, and its value is masked when the script knows it"
    assert {one.table: one.snapshot_id for one in lakehouse.tables()} == before
    assert _files(house) == files
    assert apply(house) == [], "the registry is as it was declared"
    _registered(house, ended)


def _files(settings: Settings) -> dict[str, int]:
    """The warehouse's files, with their sizes."""
    root = settings.state_folder / "warehouse"
    return {str(one): one.stat().st_size for one in root.rglob("*") if one.is_file()}


def _registered(settings: Settings, ended: ScriptJob) -> None:
    registry = ModelRegistry(settings)
    version = registry.champion("churn_classifier")
    assert version is not None
    assert (ended.model_version, ended.model_reason) == (version.version, None)
    assert (version.candidate, version.metrics) == ("script", {"accuracy": 1.0})
    scores = load_predictor(settings, version).predict(pa.table({"orders": [0.0, 9.0]}))
    assert scores.label is not None
    assert scores.label.to_pylist() == [0, 1]
    _predicts(settings)
    client = MlflowClient(settings.tracking_uri)
    assert ended.run_id is not None
    place = client.download_artifacts(ended.run_id, "log.txt")
    whole = Path(place).read_text()
    assert "READ [5.0" in whole
    assert "hunter2" not in whole


def _predicts(settings: Settings) -> None:
    """As any other model over REST; but which views its inputs are from nobody knows."""
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as client:
        asked = {"model_name": "churn_classifier", "inputs": [{"orders": 0.0}, {"orders": 9.0}]}
        answer = client.post("/mlops/inference", json=asked)
        assert answer.status_code == 200, answer.text
        assert answer.json()["predicted_labels"] == [0, 1]
        asked = {"model_name": "churn_classifier", "inputs": [{"orders": None}]}
        answer = client.post("/mlops/inference", json=asked)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
        assert answer.json()["error"]["message"].startswith("orders: this model was made by a script")
        asked = {"model_name": "churn_classifier", "entities": [{"customer_id": 1}]}
        answer = client.post("/mlops/inference", json=asked)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "UNSUPPORTED")
        shown = client.get("/feast/models/churn_classifier")
        assert shown.status_code == 200, shown.text


def test_a_script_that_fails_says_why(house: Settings, job: Callable[..., ScriptJob]) -> None:
    ended = job("print('so far')\nraise SystemExit('no further')")
    assert ended.status == "failed"
    assert ended.error == "train.py ended with exit code 1: the tail of its log says why."
    assert ended.log_tail == "so far\nno further\n"
    assert (ended.model_version, ended.model_reason) == (None, "The script did not end well.")
    assert ended.run_id is not None
    assert MlflowClient(house.tracking_uri).get_run(ended.run_id).info.status == "FAILED"


def test_a_script_that_takes_too_long_is_ended(house: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    short = house.model_copy(update={"scripts_seconds": 1})
    now = datetime.now(UTC)
    add_job(
        short,
        ScriptJob(
            job_id="slow",
            source="import time\ntime.sleep(99)",
            script_name="slow.py",
            experiment_name="mine",
            principal="mira",
            created_at=now,
        ),
    )
    ended = run_job(short, "slow")
    assert (ended.status, ended.error) == ("failed", "slow.py was ended: it ran for longer than 1 seconds.")
    assert run_job(short, "slow") == ended, "a job that has ended is not run again"


def test_nothing_of_a_job_is_left_behind(house: Settings, job: Callable[..., ScriptJob]) -> None:
    scratch = Path(os.environ.get("TMPDIR", "/tmp"))
    before = {one.name for one in scratch.glob("asgard-*")}
    killed = house.state_folder / "jobs" / "job_killed.abc"
    (killed / "given").mkdir(parents=True)
    ended = job("import json, os\nprint(json.dumps(sorted(os.environ)))")
    assert {one.name for one in scratch.glob("asgard-*")} == before
    assert list((house.state_folder / "jobs").iterdir()) == [], "what a killed job had left neither"
    names = json.loads(ended.log_tail)
    assert not {"SOME_SECRET", "ASGARD_REPO", "DAGSTER_HOME"} & set(names)
    assert {"FEAST_REPO_PATH", "MLFLOW_TRACKING_URI"} <= set(names)
