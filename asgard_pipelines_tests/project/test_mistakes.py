"""Mistakes as people make them: each told with its file, its line and its field; none is a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asgard_pipelines.cli.command import run
from asgard_pipelines.project import compile_repo
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.project.repo_changes import change, problems

REPO = Path(__file__).parents[2] / "feature_repo"
CHURN, VALUE = "models/customer_churn.yaml", "models/customer_value.yaml"
PREDICTION = "predictions/churn_predictions.yaml"
PURCHASES, AGGREGATES, LABELS = (
    "gold/purchases.yaml",
    "gold/customer_aggregates.sql",
    "gold/customer_labels.sql",
)
VIEWS, PRODUCTION, STORE = "views/customers.py", "views/production.py", "feature_store.yaml"

pytestmark = [
    # Feast's and the frameworks' own; ours still fail the tests.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


SIZE = "test_size: 0.25"

# ruff: noqa: E501  # one mistake per line reads best
# fmt: off
SAID_ONCE = [
    # models
    (CHURN, "label_horizon: 90d", "label_horizon: ninety", "label_horizon", "90d, 6h, 30 minutes or P90D"),
    (CHURN, "label_horizon: 90d", "label_horizon: -90d", "label_horizon", "'-90d' is not one"),
    (CHURN, "label_horizon: 90d", "label_horizon: 99999999999d", "label_horizon", "longer than time"),
    (CHURN, "start_date: null", "start_date: 1997-13-01", "training_data.start_date", "1-12"),
    (CHURN, "framework: xgboost", "framework: xgbost", "candidates.1.framework", "'xgboost' or 'lightgbm'"),
    (CHURN, "estimator: RandomForest", "estimator: RandomForrest", "candidates.0.hyperparameters.estimator", "Did you mean 'RandomForest'?"),
    (CHURN, "n_estimators: 60", "n_estimators: -60", "candidates.0.hyperparameters.params.n_estimators", "[1, inf)"),
    (CHURN, "model_type: classification", "model_type: classifier", "model_type", "'classification' or 'regression'"),
    (CHURN, "name: customer_churn", "name: customer churn", "name", "letters, digits and _"),
    (CHURN, "name: customer_churn", "name: kündigung", "name", "letters, digits and _"),
    (CHURN, "name: customer_churn", "name: 5", "name", "valid string"),
    (CHURN, "event_timestamp_column: created_at", "event_timestamp_column: customer_id", "training_data.event_timestamp_column", "is string, which is no timestamp"),
    (CHURN, "feature_service: churn_features", "feature_views: [customer_order]", "feature_views.0", "Did you mean 'customer_orders'?"),
    (CHURN, SIZE, "test_size: a quarter", "test_size", "valid number"),
    (CHURN, "positive_label: true", "positive_label: maybe", "positive_label", "is bool, and never 'maybe'"),
    (CHURN, "positive_label: true", "positive_label: [true]", "positive_label", "valid boolean"),
    (CHURN, SIZE, "retrain: {on: [purchase]}", "retrain.on.0", "Did you mean 'purchases'?"),
    (CHURN, SIZE, "retrain: {on: [production_runs]}", "retrain.on.0", "only on gold.customer_aggregates"),
    (CHURN, SIZE, "retrain: {min_changed_row: 5}", "retrain.min_changed_row", "Did you mean 'min_changed_rows'?"),
    (CHURN, SIZE, "retrain: {min_changed_rows: 0}", "retrain.min_changed_rows", "greater than or equal to 1"),
    (CHURN, SIZE, "retrain: {min_interval: -5h}", "retrain.min_interval", "'-5h' is not one"),
    (CHURN, SIZE, "seed: -1", "seed", "greater than or equal to 0"),
    (CHURN, "owner: team:customers", "owner: some body", "owner", "e-mail address or team:NAME"),
    (CHURN, "tags: {domain: customers}", "tags: {domain: our customers}", "tags", "'domain: our customers' is not"),
    (CHURN, "  label_column", "\tlabel_column", "", "cannot start any token"),
    (CHURN, "next 90", "next \0 90", "", "U+0000"),
    # predictions
    (PREDICTION, "[customer_id]", "[customerid]", "entity_columns.0", "Did you mean 'customer_id'?"),
    (PREDICTION, "customer_rhythm]", "customer_rythm]", "feature_views.2", "Did you mean 'customer_rhythm'?"),
    (PREDICTION, "model_id: customer_churn", "model_id: customer_churn@", "model_id", "NAME@ALIAS"),
    (PREDICTION, "column_name: churn_probability", "column_name: customer_id", "prediction_column_name", "another column"),
    (PREDICTION, "column_name: churn_probability", "column_name: model_version", "prediction_column_name", "another column"),
    (PREDICTION, "column_name: churn_probability", "column_name: churn probability", "prediction_column_name", "letters, digits and _"),
    (PREDICTION, "output_schema: gold", "output_schema: training_sets", "output_schema", "Asgard's own"),
    (PREDICTION, "event_timestamp_column: created_at", "event_timestamp_column: total_orders", "event_timestamp_column", "no timestamp"),
    # gold
    (AGGREGATES, "start: 1997-02", "start: 1997-02-01", "start", "called as 1997-03"),
    (AGGREGATES, "partition: monthly", "partition: montly", "partition", "'daily' or 'monthly'"),
    (AGGREGATES, "total_orders: int64", "total_orders: integer", "columns.total_orders", "'integer' is no column type"),
    (AGGREGATES, "total_orders: int64", "total_orders: array<integer>", "columns.total_orders", "no column type"),
    (AGGREGATES, "entity: customer_id", "entity: customerid", "entity", "Did you mean 'customer_id'?"),
    (AGGREGATES, "timestamp: created_at", "timestamp: customer_id", "timestamp", "no timestamp"),
    (LABELS, "lookahead: 90d", "lookahead: -90d", "lookahead", "'-90d' is not one"),
    (PURCHASES, "landed_by: month", "landed_by: months", "watermark.landed_by", "'month', 'day' or 'instant'"),
    (PURCHASES, "{column: purchased_at", "{column: purchasd_at", "watermark", "Did you mean 'purchased_at'?"),
    (PURCHASES, "{column: purchased_at", "{column: customer_id", "watermark", "no timestamp"),
]

SAID_SOMEWHERE = [
    (CHURN, "model_type: classification", "model_type: regression", "positive_label", "belongs to a classification"),
    (CHURN, "name: lightgbm", "name: forest", "candidates", "one name"),
    (AGGREGATES, "count(*) AS total_orders,", "count(*) AS total_orders, 1 AS total_orders,", "columns", "'total_orders' twice"),
    (AGGREGATES, "count_if(", "count_iff(", "sql", "count_iff"),
    (AGGREGATES, "*/\n", "*/\nINSERT INTO gold.x ", "sql", "Only a SELECT"),
    (VIEWS, "customer_orders = FeatureView(", "customer_orders = FeatureView((", "", "was never closed"),
    (VIEWS, "entities=[customer],", "entities=[custmer],", "", "name 'custmer' is not defined"),
    (VIEWS, "OWNER =", "raise SystemExit(3)\nOWNER =", "", "SystemExit"),
    (VIEWS, "timedelta(days=31)", "timedelta(days=-31)", "ttl", "greater than or equal to 0"),
    (VIEWS, 'join_keys=["customer_id"]', 'join_keys=["custmer_id"]', "entities", "Did you mean 'customer_id'?"),
    (VIEWS, "ValueType.STRING", "ValueType.INT64", "entities", "the entity 'customer' is int64"),
    (VIEWS, 'timestamp_field="created_at"', 'timestamp_field="customer_id"', "source", "no timestamp"),
    (VIEWS, 'name="customer_history"', 'name="customer_orders"', "name", "declared twice"),
    (VIEWS, 'name="customer_history"', 'name="customer history"', "name", "letters, digits and _"),
    (VIEWS, 'OWNER = "team:customers"', 'OWNER = "some body"', "owner", "e-mail address or team:NAME"),
    (VIEWS, "features=[customer_orders],", 'features=[customer_orders[["total_order"]]],', "", "total_order does not exist"),
    (VIEWS, 'Field(name="total_quantity", dtype=Int64', 'Field(name="total_orders", dtype=Int64), Field(name="total_orders", dtype=Int64', "features", "stands there twice"),
    (VIEWS, 'rhythm["idle_share"]', 'rhythm["idle_shre"]', "schema", "does not return idle_share"),
    (VIEWS, 'inputs["days_since_last_order"]', 'inputs["days_since_lst_order"]', "", "KeyError: 'days_since_lst_order'"),
    (STORE, "provider: local", "provider: [local", "", "this is no YAML"),
    (STORE, "project: asgard_demo", "project: asgard demo", "project", "alphanumerical"),
    (STORE, "IcebergOfflineStore", "IcebergOfflineStor", "", "IcebergOfflineStor"),
]
# fmt: on


@pytest.mark.parametrize(("file", "old", "new", "field", "message"), SAID_ONCE)
def test_a_slip_in_a_file_of_data_is_one_problem_at_its_line(
    repo: Path, file: str, old: str, new: str, field: str, message: str
) -> None:
    line = change(repo / file, old, new)
    [found] = problems()
    assert (found.file, found.line, found.field) == (file, line, field)
    assert message in found.message


@pytest.mark.parametrize(("file", "old", "new", "field", "message"), SAID_SOMEWHERE)
def test_a_slip_in_sql_or_python_is_told_in_its_file(
    repo: Path, file: str, old: str, new: str, field: str, message: str
) -> None:
    change(repo / file, old, new)
    found = problems()
    assert any(p.file == file and p.field == field and message in p.message for p in found), found


def test_a_window_that_ends_before_it_begins_is_refused(repo: Path) -> None:
    change(repo / CHURN, "start_date: null", "start_date: 1998-01-01")
    line = change(repo / CHURN, "end_date: null", "end_date: 1997-01-01")
    [found] = problems()
    assert (found.line, found.field) == (line, "training_data.end_date")


def test_a_project_of_two_names_is_refused(repo: Path) -> None:
    change(repo / STORE, "project: asgard_demo", "project: another")
    [found] = problems()
    assert found.file == "repo.py"
    assert "'another' in feature_store.yaml" in found.message


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("models/empty.yaml", b"", "fields are expected"),
        ("models/list.yaml", b"- a\n", "fields are expected"),
        ("models/other.yaml", "name: kündigen\n".encode("latin-1"), "no UTF-8"),
        ("models/wide.yaml", "name: a\n".encode("utf-16"), "no UTF-8"),
        ("models/endless.yaml", b"a: &a\n  b: *a\n", "holds itself"),
        ("models/code.yaml", b"name: !!python/object/apply:os.getcwd []\n", "constructor"),
        ("models/x.yaml.bak", b"name: x\n", "end in .yaml"),
        ("gold/bare.sql", b"SELECT 1 AS a\n", "/* asgard:"),
        (
            "gold/latin.sql",
            "/* asgard:\ndescription: größer\n*/\nSELECT 1 AS a".encode("latin-1"),
            "no UTF-8",
        ),
        ("gold/käufe.yaml", b"external: true\n", "called as its table"),
        ("gold/my table.yaml", b"external: true\n", "called as its table"),
        ("gold/customer_labels.yaml", b"external: true\n", "declares 'customer_labels' too"),
        ("gold/production_Runs.yaml", b"external: true\n", "SQL tells them not apart"),
        ("gold/mine.yaml", b"external: false\n", "needs a SELECT"),
    ],
)
def test_a_file_that_cannot_count_is_told_and_nothing_else_is(
    repo: Path, file: str, content: bytes, message: str
) -> None:
    (repo / file).write_bytes(content)
    [found] = problems()
    assert found.file in (file, "gold/production_runs.yaml")
    assert message in found.message


@pytest.mark.parametrize("file", [CHURN, AGGREGATES, VIEWS, PREDICTION])
@pytest.mark.parametrize("rewrite", ["bom", "crlf"])
def test_what_editors_of_other_systems_write_is_read(repo: Path, file: str, rewrite: str) -> None:
    text = (repo / file).read_bytes()
    changed = b"\xef\xbb\xbf" + text if rewrite == "bom" else text.replace(b"\n", b"\r\n")
    (repo / file).write_bytes(changed)
    assert len(compile_repo(Settings.read()).models) == 3


def test_a_draft_that_nobody_imports_is_nobodys_mistake(repo: Path) -> None:
    views = len(compile_repo(Settings.read()).views)
    (repo / "views" / "draft.py").write_text("def (")
    assert len(compile_repo(Settings.read()).views) == views


def test_a_repo_without_its_python_says_so(repo: Path) -> None:
    (repo / "repo.py").unlink()
    [found] = problems()
    assert (found.file, found.line) == ("repo.py", 1)


def test_the_command_tells_them_all_as_one_document_and_ends_with_two(
    repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = {
        CHURN: change(repo / CHURN, SIZE, "test_siz: 0.25"),
        PREDICTION: change(repo / PREDICTION, "rows: newest", "rows: oldest"),
    }
    assert run(["plan", "--json"]) == 2
    told = json.loads(capfd.readouterr().out)["error"]
    assert told["code"] == "INVALID_DECLARATIONS"
    assert {one["file"]: one["line"] for one in told["details"]["problems"]} == lines
    assert run(["plan"]) == 2
    said = capfd.readouterr()
    assert "Traceback" not in said.err
    assert f"{CHURN}:{lines[CHURN]} [test_siz]" in said.err
