"""The demo's graph, written out: what is made from what, and of which kind it is."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from asgard_pipelines.graph import definitions
from asgard_pipelines.project import load
from asgard_pipelines.settings import Settings

CHECKOUT = Path(__file__).parents[2]

GRAPH = """
gold/purchases: external, external iceberg
gold/production_runs: external, external iceberg
gold/customer_aggregates: iceberg sql < gold/purchases
gold/customer_labels: iceberg sql < gold/purchases
gold/customer_values: iceberg sql < gold/purchases
gold/customer_features: external, external iceberg
gold/customer_demographics: external, external iceberg
gold/customer_contract: external, external iceberg
gold/connector_activity: dagster iceberg
gold/pipeline_activity: dagster iceberg
gold/user_activity: dagster iceberg
features/customer_orders: feast iceberg < gold/customer_aggregates
features/customer_history: feast iceberg < gold/customer_aggregates
features/customer_rhythm: feast python < features/customer_history features/customer_orders
features/production_conditions: feast iceberg < gold/production_runs
features/customer_behavior_features: feast iceberg < gold/customer_features
features/customer_demographics_features: feast iceberg < gold/customer_demographics
features/customer_contract_features: feast iceberg < gold/customer_contract
features/customer_derived_features: feast python <
    features/customer_behavior_features features/customer_contract_features
features/connector_features: feast iceberg < gold/connector_activity
features/pipeline_features: feast iceberg < gold/pipeline_activity
features/user_features: feast iceberg < gold/user_activity
online/customer_orders: feast online sqlite < features/customer_orders
online_days/customer_orders: days online sqlite < features/customer_orders
online/customer_behavior_features: feast online sqlite < features/customer_behavior_features
online_days/customer_behavior_features: days online sqlite < features/customer_behavior_features
online/customer_demographics_features: feast online sqlite < features/customer_demographics_features
online_days/customer_demographics_features: days online sqlite < features/customer_demographics_features
online/customer_contract_features: feast online sqlite < features/customer_contract_features
online_days/customer_contract_features: days online sqlite < features/customer_contract_features
online/connector_features: feast online sqlite < features/connector_features
online_days/connector_features: days online sqlite < features/connector_features
online/pipeline_features: feast online sqlite < features/pipeline_features
online_days/pipeline_features: days online sqlite < features/pipeline_features
online/user_features: feast online sqlite < features/user_features
online_days/user_features: days online sqlite < features/user_features
training_sets/customer_churn: iceberg training_set <
    features/customer_history features/customer_orders features/customer_rhythm gold/customer_labels
training_sets/customer_value: iceberg training_set <
    features/customer_history features/customer_orders features/customer_rhythm gold/customer_values
training_sets/production_quality: iceberg training_set < features/production_conditions gold/production_runs
models/customer_churn/forest: candidate mlflow scikitlearn < training_sets/customer_churn
models/customer_churn/lightgbm: candidate lightgbm mlflow < training_sets/customer_churn
models/customer_churn/xgboost: candidate mlflow xgboost < training_sets/customer_churn
models/customer_churn: champion mlflow <
    models/customer_churn/forest models/customer_churn/lightgbm models/customer_churn/xgboost
    training_sets/customer_churn
models/customer_value/lightgbm: candidate lightgbm mlflow < training_sets/customer_value
models/customer_value: champion mlflow < models/customer_value/lightgbm training_sets/customer_value
models/production_quality/xgboost: candidate mlflow xgboost < training_sets/production_quality
models/production_quality: champion mlflow <
    models/production_quality/xgboost training_sets/production_quality
predictions/churn_predictions: iceberg predictions <
    features/customer_history features/customer_orders features/customer_rhythm gold/customer_aggregates
    models/customer_churn
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ASGARD_REPO", str(CHECKOUT / "feature_repo"))
        environment.setenv("ASGARD_HOME", str(tmp_path_factory.mktemp("demo")))
        return definitions(load(Settings.read()))


def test_the_demo_graph_is_the_one_written_here(demo: dg.Definitions) -> None:
    graph = demo.resolve_asset_graph()
    lines = []
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        parents = " ".join(sorted(parent.to_user_string() for parent in node.parent_keys))
        kinds = " ".join(sorted(node.kinds))
        line = f"{key.to_user_string()}: {'external, ' if node.is_external else ''}{kinds}"
        lines.append(line + (f" < {parents}" if parents else ""))
    written = GRAPH.strip().replace("\n    ", " ")
    assert sorted(lines) == sorted(written.splitlines())


def test_a_code_server_can_load_all_of_it(demo: dg.Definitions) -> None:
    demo.get_repository_def().load_all_definitions()  # the jobs too, which are put together when asked for


def test_what_flows_together_stands_in_one_box(demo: dg.Definitions) -> None:
    graph = demo.resolve_asset_graph()
    groups = {graph.get(key).group_name for key in graph.get_all_asset_keys()}
    assert groups == {"customers", "production", "churn", "platform"}


def test_every_asset_says_what_it_is_and_whose_it_is(demo: dg.Definitions) -> None:
    graph = demo.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners or node.group_name == "platform", key  # which is Asgard's own
        if not node.is_external:
            assert node.code_version, key


def test_tables_of_one_clock_share_their_partitions_and_online_views_their_days(demo: dg.Definitions) -> None:
    graph = demo.resolve_asset_graph()
    partitioned = {
        key.to_user_string(): graph.get(key).partitions_def
        for key in graph.get_all_asset_keys()
        if graph.get(key).partitions_def
    }
    days = {partitioned.pop(key) for key in list(partitioned) if key.startswith("online_days/")}
    assert days == {dg.DailyPartitionsDefinition("1990-01-01", timezone="UTC")}
    assert sorted(partitioned) == [
        "gold/customer_aggregates",
        "gold/customer_labels",
        "gold/customer_values",
        "gold/purchases",
    ]
    assert len(set(partitioned.values())) == 1


def test_the_online_store_is_kept_by_a_schedule_of_six_hours(demo: dg.Definitions) -> None:
    by_name = {schedule.name: schedule for schedule in demo.schedules or []}
    online = by_name["materialize_online"]
    assert isinstance(online, dg.ScheduleDefinition)
    assert online.cron_schedule == "0 */6 * * *"
    assert online.default_status == dg.DefaultScheduleStatus.RUNNING


def test_a_broken_contract_blocks_what_is_downstream(demo: dg.Definitions) -> None:
    graph = demo.resolve_asset_graph()
    for table in ("customer_aggregates", "customer_labels", "customer_values"):
        key = dg.AssetCheckKey(dg.AssetKey(["gold", table]), "contract")
        assert graph.get(key).blocking
