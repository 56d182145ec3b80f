"""Declarations checked together: what is wrong is told with file, line, field and what would be right."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.project import compile_repo
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.project.repo_changes import change, problems

REPO = Path(__file__).parents[2] / "feature_repo"

pytestmark = [
    # Feast's and the frameworks' own; ours still fail the tests.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def test_the_demo_compiles_and_its_models_are_resolved(repo: Path) -> None:
    declared = compile_repo(Settings.read())
    churn = declared.model("customer_churn")
    assert churn.source == "gold.customer_labels"
    assert churn.entity_columns == ["customer_id"]
    assert churn.views == ["customer_orders", "customer_history"]
    assert churn.on_demand_views == ["customer_rhythm"]
    assert churn.tables == ["gold.customer_aggregates", "gold.customer_labels"]
    assert churn.roots == ["gold.purchases"]
    assert len(churn.features) == 10
    assert [c.name for c in churn.model.all_candidates] == ["forest", "xgboost", "lightgbm"]
    assert declared.gold_by_table["gold.customer_labels"].reads == ["gold.purchases"]
    assert declared.prediction("churn_predictions").rows == "newest"
    assert {view.name for view in declared.views if not view.online} == {
        "customer_history",
        "production_conditions",
    }
    for service in declared.services:
        if service.name.endswith("_online"):
            assert all(declared.view(part.view).online for part in service.views)
    behavior, demographics = declared.service("churn_prediction_online").views
    assert len(behavior.features) == 4
    assert (demographics.view, demographics.features) == ("customer_demographics_features", ["customer_age"])


def test_errors_in_several_files_are_told_together_each_at_its_line(repo: Path) -> None:
    lines = {
        "models/customer_churn.yaml": change(
            repo / "models/customer_churn.yaml", "test_size: 0.25", "test_size: 2"
        ),
        "models/customer_value.yaml": change(repo / "models/customer_value.yaml", "framework:", "framwork:"),
        "gold/purchases.yaml": change(repo / "gold/purchases.yaml", "start: 1997-02", "start: 97-02"),
        "gold/customer_labels.sql": change(repo / "gold/customer_labels.sql", "GROUP BY", "GROUP OF"),
        "predictions/churn_predictions.yaml": change(
            repo / "predictions/churn_predictions.yaml", "rows: newest", "rows: newst"
        ),
    }
    found = {problem.file: problem for problem in problems() if problem.file in lines}
    assert {file: problem.line for file, problem in found.items()} == lines
    assert len(problems()) == len(lines), "what stands on a wrong declaration is not wrong itself"
    assert found["models/customer_churn.yaml"].field == "test_size"
    assert "Did you mean 'framework'" in found["models/customer_value.yaml"].message
    assert "called as 1997-03" in found["gold/purchases.yaml"].message
    assert "'all' or 'newest'" in found["predictions/churn_predictions.yaml"].message


# ruff: noqa: E501  # one mistake per line reads best
@pytest.mark.parametrize(
    ("file", "old", "new", "field", "message"),
    [
        ("models/customer_churn.yaml", "customer_labels", "customer_label", "training_data.entity_df_source",
         "Did you mean 'customer_labels'?"),
        ("models/customer_churn.yaml", "label_column: churned", "label_column: churn", "training_data.label_column",
         "Did you mean 'churned'?"),
        ("models/customer_churn.yaml", "feature_service: churn_features", "feature_service: churn_featurs",
         "feature_service", "Did you mean 'churn_features'?"),
        ("models/customer_churn.yaml", "num_leaves", "num_leafs", "candidates.2.hyperparameters.params.num_leafs",
         "num_leaves"),
        ("models/production_quality.yaml", "max_depth: 5", "max_depth: five", "hyperparameters.params.max_depth",
         "max_depth"),
        ("predictions/churn_predictions.yaml", "model_id: customer_churn", "model_id: customer_chrn", "model_id",
         "Did you mean 'customer_churn'?"),
        ("predictions/churn_predictions.yaml", "input_table: customer_aggregates", "input_table: customers",
         "input_table", "there is no table or feature view 'customers'"),
        ("predictions/churn_predictions.yaml", "[customer_orders, customer_history, customer_rhythm]",
         "[customer_orders]", "feature_views", "days_since_first_order (customer_history)"),
        ("predictions/churn_predictions.yaml", "entity_columns: [customer_id]", "entity_columns: []",
         "entity_columns", "looked up by customer_id"),
        ("predictions/churn_predictions.yaml", "output_table: churn_predictions", "output_table: customer_values",
         "output_table", "is declared as a gold table"),
        ("gold/customer_values.sql", "label: spend_next_90d", "label: spend_next", "label",
         "Did you mean 'spend_next_90d'?"),
        ("gold/customer_values.sql", "JOIN gold.purchases", "JOIN gold.purchase", "sql",
         "Did you mean 'gold.purchases'?"),
        ("gold/purchases.yaml", "watermark: {column: purchased_at, landed_by: month}", "", "",
         "needs `watermark`"),
        ("gold/production_runs.yaml", "owner: team:production", "external: true", "external", "a second time"),
        ("gold/production_runs.yaml", "tags: {", "tags: [", "", "this is no YAML"),
        ("views/customers.py", '"customer_aggregates", ', '"customer_aggregate", ', "source",
         "Did you mean 'gold.customer_aggregates'?"),
        ("views/customers.py", 'Field(name="total_orders", dtype=Int64', 'Field(name="total_orders", dtype=Float64',
         "schema.total_orders", "is int64, which is no float64"),
        ("views/customers.py", 'Field(name="total_quantity"', 'Field(name="total_qantity"', "schema.total_qantity",
         "Did you mean 'total_quantity'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_field_and_what_would_be_right(
    repo: Path, file: str, old: str, new: str, field: str, message: str
) -> None:
    line = change(repo / file, old, new)
    found = problems()
    matching = [p for p in found if p.file == file and p.field == field and message in p.message]
    assert matching, found
    if file.endswith(".yaml") and new:
        assert matching[0].line == line


def test_a_table_made_from_itself_is_refused_with_the_way_round(repo: Path) -> None:
    change(repo / "gold/customer_aggregates.sql", "gold.purchases AS b", "gold.customer_labels AS b")
    change(repo / "gold/customer_labels.sql", "gold.purchases AS b", "gold.customer_aggregates AS b")
    cycles = [p.message for p in problems() if "from itself" in p.message]
    assert len(cycles) == 1
    assert "gold.customer_aggregates" in cycles[0]
    assert "gold.customer_labels" in cycles[0]


def test_a_table_that_only_the_catalog_knows_becomes_external(repo: Path) -> None:
    (repo / "gold" / "production_runs.yaml").unlink()
    assert any("neither declared nor in the catalog" in p.message for p in problems())
    rows = pa.table({"production_run_id": [1], "run_start_time": pa.array([0], pa.timestamp("us"))})
    Lakehouse(Settings.read()).append("gold.production_runs", rows, key="first")
    found = compile_repo(Settings.read()).gold_by_table["gold.production_runs"]
    assert (found.external, found.watermark, found.sql) == (True, None, None)


def test_without_a_service_the_views_over_the_source_are_taken_and_never_the_label(repo: Path) -> None:
    change(repo / "models/production_quality.yaml", "feature_service: quality_features\n", "")
    change(
        repo / "views/production.py",
        '        Field(name="tool_wear"',
        '        Field(name="is_defective", dtype=Bool),\n        Field(name="tool_wear"',
    )
    change(repo / "views/production.py", "import Float64", "import Bool, Float64")
    model = compile_repo(Settings.read()).model("production_quality")
    assert model.views == ["production_conditions"]
    assert "is_defective" not in [ref.feature for ref in model.features]
    assert len(model.features) == 6


def test_without_a_view_over_the_source_those_keyed_by_its_columns_are_taken(repo: Path) -> None:
    change(repo / "models/customer_value.yaml", "feature_service: churn_features\n", "")
    model = compile_repo(Settings.read()).model("customer_value")
    assert model.views == [
        "customer_behavior_features",
        "customer_contract_features",
        "customer_demographics_features",
        "customer_history",
        "customer_orders",
    ]


def test_one_column_reached_by_two_views_is_one_feature_and_two_under_one_name_are_refused(
    repo: Path,
) -> None:
    again = '        Field(name="days_since_first_order"'
    change(repo / "views/customers.py", again, '        Field(name="total_spent", dtype=Float64),\n' + again)
    names = [ref.feature for ref in compile_repo(Settings.read()).model("customer_churn").features]
    assert names.count("total_spent") == 1
    change(repo / "views/customers.py", '"avg_days_between_orders", dtype', '"total_orders", dtype')
    change(repo / "views/customers.py", 'rhythm["avg_days_between_orders"]', 'rhythm["total_orders"]')
    clash = [p for p in problems() if p.field == "feature_service"]
    assert (
        "'total_orders' is one thing in 'customer_orders' and another in 'customer_rhythm'"
        in clash[0].message
    )


def test_a_policy_names_its_tables_in_full_however_they_were_written(repo: Path) -> None:
    change(
        repo / "models/customer_churn.yaml", "test_size: 0.25", "test_size: 0.25\nretrain: {on: [purchases]}"
    )
    policy = compile_repo(Settings.read()).model("customer_churn").model.retrain
    assert policy
    assert policy.on == ["gold.purchases"]


@pytest.mark.parametrize("written", ["customer_aggregates", "gold.customer_aggregates", "customer_orders"])
def test_a_prediction_knows_its_input_by_its_full_name_however_it_was_written(
    repo: Path, written: str
) -> None:
    declared = "input_table: customer_aggregates"
    change(repo / "predictions/churn_predictions.yaml", declared, f"input_table: {written}")
    (prediction,) = compile_repo(Settings.read()).predictions
    assert prediction.input_table == "gold.customer_aggregates"
