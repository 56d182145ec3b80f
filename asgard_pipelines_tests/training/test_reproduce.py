"""A version can be made again, whatever has happened to its sources and declarations since."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from asgard_pipelines.declarations import Declarations, ResolvedModel
from asgard_pipelines.errors import Conflict, SnapshotNotFound, Unsupported
from asgard_pipelines.features import read_repo
from asgard_pipelines.models import ModelRegistry, Registration
from asgard_pipelines.settings import Settings
from asgard_pipelines.training import reproduce
from asgard_pipelines.training.origin import Origin
from asgard_pipelines_tests.training.moving_world import World, declared, visits
from asgard_pipelines_tests.training.world import ESTIMATORS, LABELS, accounts, resolved_model

FEATURE_REPO = Path(__file__).parents[2] / "feature_repo"


@pytest.fixture
def world(tracked: Settings) -> World:
    return World(tracked)


def models() -> Iterator[tuple[str, str, ResolvedModel]]:
    """Twenty models: every estimator on every label, and the two other ways to divide rows."""
    for place, (label, (framework, estimator)) in enumerate(product(LABELS, ESTIMATORS)):
        resolved = declared(label)
        model = resolved.model.model_copy(update={"name": f"model_{place}", "seed": place})
        yield framework, estimator, resolved.model_copy(update={"model": model})
    yield "sklearn", "Linear", declared("tier", split="random", test_size=0.3, seed=5)
    yield "xgboost", "XGBoost", declared("value", label_horizon="45d", start_date="2024-01-20")


FEW = ["model_0", "model_2", "model_3", "model_10", "model_17", "model_tier"]
few = [one for one in models() if one[2].model.name in FEW]


@pytest.mark.parametrize(
    "chosen", [few, pytest.param(list(models()), marks=pytest.mark.reproduce)], ids=["six", "twenty"]
)
def test_rows_and_bytes_are_the_same_after_landings_compaction_expiry_and_another_schema(
    world: World, chosen: list[tuple[str, str, ResolvedModel]]
) -> None:
    versions = [world.train(resolved, framework, estimator) for framework, estimator, resolved in chosen]
    snapshots = {snapshot for version in versions for snapshot in version.sources.values()}
    world.moves_on()
    for version in versions:
        again = world.reproduce(version)
        assert again.same_rows, version.model_id
        assert again.same_model, version.model_id
        assert again.moved_libraries == {}
    assert snapshots.isdisjoint(
        {world.snapshot(table) for table in ("gold.accounts", "gold.visits", "gold.labels")}
    )


def test_nothing_is_written(world: World) -> None:
    version = world.train(declared("churned"))
    before = world.everything()
    assert world.reproduce(version).reproduced
    assert world.everything() == before


def test_the_number_of_threads_is_that_of_then(tracked: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASGARD_THREADS", "1")
    world = World(Settings.read())
    world.lakehouse.append("gold.accounts", accounts(14_000, seed=3), key="many")  # fewer are fitted in one
    world.build_labels()
    version = world.train(declared("value"), "sklearn", "HistGradientBoosting")
    monkeypatch.setenv("ASGARD_THREADS", "2")
    again = reproduce(Settings.read(), world.lakehouse, version)
    assert again.origin.threads == 1
    assert again.reproduced


def test_other_bytes_in_a_source_are_found_out(world: World) -> None:
    version = world.train(declared("churned"))
    world.spoil()
    again = world.reproduce(version)
    assert not again.same_rows
    assert not again.same_model
    assert again.rows == again.origin.training_set.rows


def test_a_source_without_its_tag_may_expire_and_is_told(world: World) -> None:
    version = world.train(declared("churned"))
    held = world.table("gold.visits")
    for name in held.refs():
        if name != "main":
            held.manage_snapshots().remove_tag(name).commit()
    world.lakehouse.append("gold.visits", visits(2), key="more visits")
    world.expire("gold.visits")
    with pytest.raises(SnapshotNotFound, match=r"'gold\.visits' has no snapshot"):
        world.reproduce(version)


def test_a_version_that_does_not_say_what_it_was_made_from_is_told_apart(world: World) -> None:
    version = world.train(declared("churned"))
    older = ModelRegistry(world.settings).register(
        Registration(
            model=version.model,
            key="older",
            candidate="c",
            framework="lightgbm",
            model_type="classification",
            files={"model.txt": b"tree"},
            inputs={"orders": "numeric"},
            training_table=version.training_table,
            training_snapshot_id=version.training_snapshot_id,
            sources=version.sources,
            roots=version.roots,
            content_hash=version.content_hash,
        )
    )
    with pytest.raises(Unsupported, match=r"`asgard train model_churned` makes one that does"):
        world.reproduce(older)


def test_what_another_asgard_wrote_is_refused_by_its_version() -> None:
    with pytest.raises(Unsupported, match=r"written by Asgard 9\.1.*declarations: Field required"):
        Origin.read(b'{"libraries": {"asgard": "9.1"}}', "m_20240101_000000")


def test_what_moved_since_is_named(world: World) -> None:
    again = world.reproduce(world.train(declared("churned")))
    then = again.origin.model_copy(update={"libraries": {**again.libraries, "numpy": "1.0", "gone": "2"}})
    moved = again.model_copy(update={"origin": then.model_copy(update={"threads": 999})})
    assert moved.moved_libraries == {"numpy": ("1.0", again.libraries["numpy"]), "gone": ("2", None)}
    assert "999 threads fitted it" in moved.reasons[-1]
    assert again.reasons == []


REPO = """
from datetime import timedelta

import pandas as pd
from feast import Entity, FeatureView, Field, Project, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64

from asgard_pipelines.features import gold

project = Project(name="test")
account = Entity(name="account", join_keys=["account_id"], value_type=ValueType.INT64)
spending = FeatureView(
    name="account_features",
    entities=[account],
    ttl=timedelta(days=1),
    schema=[Field(name="spent", dtype=Float64)],
    source=gold("accounts", timestamp_field="created_at"),
)


@on_demand_feature_view(sources=[spending], schema=[Field(name="cents", dtype=Float64)], mode="pandas")
def in_cents(inputs: pd.DataFrame) -> pd.DataFrame:
    cents = inputs["spent"] * 100
    return pd.DataFrame({"cents": cents})
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore:On demand feature view is an experimental:RuntimeWarning")
def test_a_function_that_changed_is_named_and_one_that_is_gone_refused(
    tracked: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = tmp_path / "feature_repo"
    repo.mkdir()
    (repo / "feature_store.yaml").write_text(
        (FEATURE_REPO / "feature_store.yaml").read_text().replace("asgard_demo", "test")
    )
    (repo / "repo.py").write_text(REPO)
    monkeypatch.setenv("ASGARD_REPO", str(repo))
    world = World(Settings.read())
    contents = read_repo(world.settings)
    declarations = Declarations(
        project="test", views=contents.views, on_demand_views=contents.on_demand_views
    )
    resolved = resolved_model("churned", features=["spent"])
    cents = resolved.features[0].model_copy(update={"view": "in_cents", "feature": "cents"})
    resolved = resolved.model_copy(update={"features": [cents], "on_demand_views": ["in_cents"]})
    version = world.train(resolved, declarations=declarations)
    assert world.reproduce(version).reproduced

    (repo / "repo.py").write_text(REPO.replace("    cents = ", "    # dollars come in\n    cents = "))
    again = world.reproduce(version)
    assert (again.reproduced, again.changed_functions) == (True, ["in_cents"])

    (repo / "repo.py").write_text(REPO.replace("* 100", "* 1000"))
    again = world.reproduce(version)
    assert (again.same_rows, again.changed_functions) == (False, ["in_cents"])
    assert again.row_changes is not None
    assert list(again.row_changes.changed_columns) == ["cents"]
    assert again.reasons[0] == "the function of the on-demand view 'in_cents' is another one now"

    (repo / "repo.py").write_text(REPO[: REPO.index("@on_demand")])
    with pytest.raises(Conflict, match=r"no longer has the on-demand view 'in_cents'"):
        world.reproduce(version)
