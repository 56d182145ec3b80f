"""The demo's Feast repo: read, applied, and as Feast's own command sees it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from asgard_pipelines.declarations import Declarations, FeatureRef
from asgard_pipelines.errors import Invalid, InvalidDeclarations, InvalidSettings
from asgard_pipelines.features import apply, historical_features, read_repo, store
from asgard_pipelines.features.materialization import materialize
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.settings import Settings

REPO = Path(__file__).parents[2] / "feature_repo"
FEB = datetime(1997, 2, 1)

pytestmark = [
    # Feast's and its dependencies' own, at import and in their innards; ours still fail the tests.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:On demand feature view is an experimental:RuntimeWarning"),
]


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the demo's repo that a test may break."""
    copy = tmp_path / "feature_repo"
    shutil.copytree(REPO, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("ASGARD_REPO", str(copy))
    monkeypatch.setenv("ASGARD_HOME", str(tmp_path / "home"))
    return copy


def aggregates(lakehouse: Lakehouse) -> None:
    size = {"customer_id": ["a", "b"], "created_at": pa.array([FEB, FEB], pa.timestamp("us"))}
    whole = [
        "total_orders",
        "days_since_last_order",
        "days_since_first_order",
        "total_quantity",
        "orders_last_90d",
    ]
    numbers = {name: [3, 1] for name in whole} | {"days_since_first_order": [11, 1]}
    money = {name: [1.5, None] for name in ("total_spent", "avg_order_value", "spent_last_90d")}
    lakehouse.append("gold.customer_aggregates", pa.table(size | numbers | money), key="first")


def test_the_repo_is_read_with_the_place_of_each_declaration(repo: Path) -> None:
    found = read_repo(Settings.read())
    orders = next(view for view in found.views if view.name == "customer_orders")
    line = (repo / orders.where.file).read_text().splitlines()[orders.where.line - 1]
    assert line == "customer_orders = FeatureView("
    assert (orders.table, orders.timestamp, orders.online) == ("gold.customer_aggregates", "created_at", True)
    rhythm = next(view for view in found.on_demand_views if view.name == "customer_rhythm")
    assert rhythm.sources == ["customer_orders", "customer_history"]
    assert {"customer_id", "production_run_id"} <= {entity.join_key for entity in found.entities}


def test_reading_a_repo_leaves_no_module_behind(repo: Path) -> None:
    before = set(sys.modules), list(sys.path)
    read_repo(Settings.read())
    assert {m for m in sys.modules if m == "repo" or m.startswith("views")} == set()
    assert sys.path == before[1]


def test_python_that_fails_is_told_with_its_line_in_the_repo(repo: Path) -> None:
    views = repo / "views" / "customers.py"
    views.write_text(views.read_text().replace('name="customer_history",', "name=customer_histroy,"))
    with pytest.raises(InvalidDeclarations) as caught:
        read_repo(Settings.read())
    (problem,) = caught.value.problems
    line = views.read_text().splitlines()[problem.line - 1]
    assert (problem.file, "customer_histroy" in line) == ("views/customers.py", True)
    assert "NameError" in problem.message


def test_a_syntax_error_is_told_with_its_line(repo: Path) -> None:
    (repo / "views" / "production.py").write_text("\n\nx = (\n")
    with pytest.raises(InvalidDeclarations, match=r"views/production.py:3 Python cannot read this"):
        read_repo(Settings.read())


def test_several_objects_that_cannot_be_taken_are_told_together(repo: Path) -> None:
    views = repo / "views" / "production.py"
    text = views.read_text().replace("value_type=ValueType.INT64", "value_type=ValueType.BYTES")
    views.write_text(
        text.replace("dtype=String", "dtype=Bytes").replace("import Float64", "import Bytes, Float64")
    )
    with pytest.raises(InvalidDeclarations) as caught:
        read_repo(Settings.read())
    assert [(p.file, p.field) for p in caught.value.problems] == [
        ("views/production.py", "production_run_id"),
        ("views/production.py", "product_type"),
    ]


def test_a_pinned_source_or_one_of_another_catalog_is_no_gold_table(repo: Path) -> None:
    views = repo / "views" / "customers.py"
    text = views.read_text()
    pinned = 'gold("customer_aggregates", timestamp_field="created_at", at_snapshot=7)'
    elsewhere = 'IcebergSource(warehouse="w", namespace="n", table="t", timestamp_field="created_at")'
    head = "from feast.infra.data_sources.contrib.iceberg_catalog import IcebergSource\n"
    for source, message in [(pinned, "the table is pinned"), (elsewhere, "views stand on gold tables")]:
        changed = text.replace('gold("customer_aggregates", timestamp_field="created_at")', source)
        views.write_text(changed.replace("import pandas as pd\n", f"import pandas as pd\n{head}"))
        with pytest.raises(InvalidDeclarations) as caught:
            read_repo(Settings.read())
        assert [p.field for p in caught.value.problems] == ["source", "source"]
        assert message in caught.value.problems[0].message


def test_several_views_may_read_one_table_each_in_its_own_way(repo: Path) -> None:
    views = repo / "views" / "customers.py"
    source = 'gold("customer_aggregates", timestamp_field="created_at"'
    text = views.read_text().replace("source=aggregates", f"source={source})")
    assert text.count(f"source={source})") > 1
    views.write_text(text)
    assert "+ feature view customer_history" in apply(Settings.read())
    other = text.replace(f"source={source})", f'source={source}, created_timestamp_column="made")', 1)
    views.write_text(other)
    with pytest.raises(InvalidDeclarations) as caught:
        read_repo(Settings.read())
    (problem,) = caught.value.problems
    assert (problem.file, problem.field) == ("views/customers.py", "source")
    assert "is called 'gold.customer_aggregates' too, and is another: give one a `name`" in problem.message
    views.write_text(other.replace('column="made")', 'column="made", name="as made")'))
    assert "~ feature view customer_" in "".join(apply(Settings.read()))


def test_a_mapped_created_time_is_the_table_s_column(repo: Path) -> None:
    views = repo / "views" / "customers.py"
    mapping = 'field_mapping={"created_at": "seen", "c": "made"}'
    mapped = f'timestamp_field="seen", created_timestamp_column="made", {mapping}'
    views.write_text(views.read_text().replace('timestamp_field="created_at"', mapped))
    orders = next(view for view in read_repo(Settings.read()).views if view.name == "customer_orders")
    assert (orders.timestamp, orders.created_timestamp) == ("created_at", "c")


def test_a_folder_without_a_store_is_refused_with_what_makes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASGARD_REPO", str(tmp_path))
    with pytest.raises(InvalidSettings, match="asgard init"):
        read_repo(Settings.read())


def test_applying_twice_changes_nothing_and_a_moved_home_neither(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = apply(Settings.read())
    assert "+ feature view customer_orders" in first
    assert apply(Settings.read()) == []
    shutil.move(tmp_path / "home", tmp_path / "elsewhere")
    monkeypatch.setenv("ASGARD_HOME", str(tmp_path / "elsewhere"))
    assert apply(Settings.read()) == []
    assert not (tmp_path / "home").exists()


def test_apply_says_what_changed_and_what_went(repo: Path) -> None:
    apply(Settings.read())
    views = repo / "views" / "customers.py"
    views.write_text(views.read_text().replace("timedelta(days=31)", "timedelta(days=62)"))
    assert "~ feature view customer_orders" in apply(Settings.read())
    declared = (repo / "repo.py").read_text().replace("    churn_features_online,\n", "")
    (repo / "repo.py").write_text(declared.replace('    "churn_features_online",\n', ""))
    assert apply(Settings.read()) == ["- feature service churn_features_online"]


def test_what_pushes_to_a_view_is_applied_once(repo: Path) -> None:
    """A push source that has no name of its own in the repo, too."""
    with (repo / "repo.py").open("a") as code:
        code.write(
            "from feast import FeatureView, Field, PushSource\n"
            "from feast.types import Int64\n"
            "from asgard_pipelines.features import gold\n"
            'table = gold("clicks", timestamp_field="at")\n'
            'clicks = FeatureView(name="clicks", schema=[Field(name="number", dtype=Int64)],\n'
            '    source=PushSource(name="clicked", batch_source=table))\n'
        )
    assert "+ data source clicked" in apply(Settings.read())
    assert apply(Settings.read()) == []
    assert apply(Settings.read()) == []


def test_the_registry_holds_no_address(repo: Path, tmp_path: Path) -> None:
    apply(Settings.read())
    registry = (tmp_path / "home" / "feast_registry.db").read_bytes()
    assert b"warehouse/" not in registry
    assert str(tmp_path / "home").encode() not in registry


def test_what_is_materialized_is_what_feast_reads_online(repo: Path) -> None:
    settings = Settings.read()
    lakehouse = Lakehouse(settings)
    aggregates(lakehouse)
    contents = read_repo(settings)
    apply(settings)
    declared = Declarations(project=store(settings).project, entities=contents.entities, views=contents.views)
    view = declared.view("customer_orders")
    assert materialize(settings, lakehouse, declared, view, lakehouse.pin(view.table)).written == 2
    read = store(settings).get_online_features(
        ["customer_orders:total_orders", "customer_orders:total_spent"],
        [{"customer_id": "a"}, {"customer_id": "b"}, {"customer_id": "z"}],
    )
    assert read.to_dict()["total_orders"] == [3, 1, None]
    assert read.to_dict()["total_spent"] == [1.5, None, None]


def test_feast_s_own_materialize_agrees_and_the_registry_keeps_what_it_needs(repo: Path) -> None:
    settings = Settings.read()
    lakehouse = Lakehouse(settings)
    aggregates(lakehouse)
    apply(settings)
    opened = store(settings)
    start, end = datetime(1997, 1, 1, tzinfo=UTC), datetime(1998, 1, 1, tzinfo=UTC)
    opened.materialize(start, end, feature_views=["customer_orders"])
    asked = [{"customer_id": key} for key in ("a", "b", "z")]
    names = ["customer_orders:total_orders", "customer_orders:total_spent"]
    by_feast = opened.get_online_features(names, asked).to_dict()
    contents = read_repo(settings)
    declared = Declarations(project=opened.project, entities=contents.entities, views=contents.views)
    view = declared.view("customer_orders")
    materialize(settings, lakehouse, declared, view, lakehouse.pin(view.table))
    assert opened.get_online_features(names, asked).to_dict() == by_feast
    opened.materialize_incremental(end + timedelta(days=1), feature_views=["customer_orders"])
    assert opened.get_online_features(names, asked).to_dict() == by_feast
    assert by_feast["total_orders"] == [3, 1, None]
    recorded = store(settings).get_feature_view("customer_orders").materialization_intervals
    assert recorded == [(start, end), (end, end + timedelta(days=1))]


def rhythm(settings: Settings, lakehouse: Lakehouse) -> pa.Table:
    contents = read_repo(settings)
    declarations = Declarations(project="p", views=contents.views, on_demand_views=contents.on_demand_views)
    rows = pa.table({"customer_id": ["b", "a", "z"], "at": pa.array([FEB] * 3, pa.timestamp("us"))})
    refs = [
        FeatureRef(view="customer_rhythm", feature="avg_days_between_orders", dtype="float64"),
        FeatureRef(view="customer_orders", feature="total_orders", dtype="int64"),
    ]
    pins = {"gold.customer_aggregates": lakehouse.pin("gold.customer_aggregates")}
    return historical_features(settings, lakehouse, declarations, rows, "at", refs, pins).table


def test_on_demand_features_are_computed_from_joined_ones_by_the_repo_s_function(repo: Path) -> None:
    settings = Settings.read()
    lakehouse = Lakehouse(settings)
    aggregates(lakehouse)
    table = rhythm(settings, lakehouse)
    assert table.column_names == ["customer_id", "at", "avg_days_between_orders", "total_orders"]
    assert table["avg_days_between_orders"].to_pylist() == [None, 4.0, None]


def test_an_on_demand_function_that_fails_or_drops_rows_is_named(repo: Path) -> None:
    settings = Settings.read()
    lakehouse = Lakehouse(settings)
    aggregates(lakehouse)
    views = repo / "views" / "customers.py"
    whole = views.read_text()
    views.write_text(whole.replace("    return rhythm\n", "    return rhythm.head(1)\n"))
    with pytest.raises(Invalid, match="'customer_rhythm' gave 1 rows for 3"):
        rhythm(settings, lakehouse)
    # On the one made-up row that declarations are tried with, it works.
    fails = "    if len(inputs) > 1:\n        raise KeyError('no')\n    return rhythm\n"
    views.write_text(whole.replace("    return rhythm\n", fails))
    with pytest.raises(Invalid, match="'customer_rhythm' failed: KeyError"):
        rhythm(settings, lakehouse)


def test_feast_s_own_command_works_by_itself_and_finds_nothing_after_we_applied(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the repo's folder, in a shell without any of our variables."""
    monkeypatch.delenv("ASGARD_HOME")
    apply(Settings.read())
    assert (repo.parent / ".asgard" / "feast_registry.db").is_file()
    bare = {k: v for k, v in os.environ.items() if not k.startswith(("ASGARD_", "FEAST_", "MLFLOW_"))}
    feast = [str(Path(sys.executable).with_name("feast")), "plan"]
    done = subprocess.run(feast, cwd=repo, env=bare, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["No changes to registry", "No changes to infrastructure"]
