"""What differs between two versions is told whole, and nothing else is."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgard_pipelines.settings import Settings
from asgard_pipelines.training.row_matching import row_changes
from asgard_pipelines_tests.training.moving_world import WORLD, World, declared, visits
from asgard_pipelines_tests.training.world import accounts

ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.none() | st.integers(0, 2), st.sampled_from(["x", "y"])), max_size=12
)


def table_of(rows: list[tuple[Any, ...]]) -> pa.Table:
    schema = pa.schema({"key": pa.int64(), "number": pa.int64(), "word": pa.string()})
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)


@settings(deadline=None)
@given(ROWS, ROWS)
def test_rows_are_counted_as_by_hand(a: list[tuple[Any, ...]], b: list[tuple[Any, ...]]) -> None:
    found = row_changes(table_of(a), table_of(b), ["key"], ["number", "word"])
    equal = Counter(a) & Counter(b)
    rest = [Counter(row[0] for row in (Counter(side) - equal).elements()) for side in (a, b)]
    changed = rest[0] & rest[1]
    assert found.equal == equal.total()
    assert found.changed == changed.total()
    assert (found.only_a, found.only_b) == ((rest[0] - changed).total(), (rest[1] - changed).total())
    assert bool(found.changed_columns) == bool(found.changed)
    if max([*Counter(row[0] for row in a).values(), *Counter(row[0] for row in b).values()], default=0) == 1:
        others = {row[0]: row for row in b}
        for place, column in enumerate(["number", "word"], start=1):
            differ = sum(row[0] in others and others[row[0]][place] != row[place] for row in a)
            assert found.changed_columns.get(column, 0) == differ


@pytest.fixture
def world(tracked: Settings) -> World:
    return World(tracked)


def test_sources_rows_columns_and_values_are_told_apart(world: World) -> None:
    a = world.train(declared("churned"))
    world.lakehouse.append("gold.visits", visits(2), key="more visits")
    shorter = WORLD.views[1].model_copy(update={"ttl": timedelta(hours=6)})
    later = WORLD.model_copy(update={"views": [WORLD.views[0], shorter]})
    resolved = declared("churned", test_size=0.3, seed=7, end_date="2024-09-01")
    fewer = resolved.model_copy(update={"features": resolved.features[1:]})
    b = world.train(fewer, "xgboost", "XGBoost", declarations=later)

    found = world.compare(a, b)
    sources = {one.table: one for one in found.sources}
    assert (sources["gold.visits"].added, sources["gold.visits"].removed) == (400, 0)
    assert sources["gold.accounts"].a == sources["gold.accounts"].b == world.snapshot("gold.accounts")
    assert (found.columns.added, found.columns.removed, found.columns.retyped) == ([], ["orders"], {})

    assert found.rows is not None
    kept = found.a.training_set.rows - found.rows.only_a
    assert found.rows.equal + found.rows.changed == kept == found.b.training_set.rows
    assert found.rows.only_a > 0 == found.rows.only_b
    assert list(found.rows.changed_columns) == ["visits"]

    assert found.label is not None
    assert found.label.labels == ["true", "false"] or found.label.labels == ["false", "true"]
    assert {one.column for one in found.features} == {"spent", "city", "member", "last_seen", "visits"}
    assert [one.psi for one in found.features] == sorted((one.psi for one in found.features), reverse=True)

    fields = {change.field: (change.a, change.b) for change in found.declared}
    assert fields.pop("model.training_data.end_date")[0] is None
    assert fields == {
        "model.test_size": (0.2, 0.3),
        "views.visits.ttl": (timedelta(days=1), timedelta(hours=6)),
    }
    fitting = {change.field: (change.a, change.b) for change in found.candidates}
    assert fitting["framework"] == ("lightgbm", "xgboost")
    assert fitting["seed"] == (42, 7)
    assert found.metrics["test_roc_auc"] == (a.metrics["test_roc_auc"], b.metrics["test_roc_auc"])


def test_two_candidates_of_one_training_set_differ_in_how_they_were_fitted_alone(world: World) -> None:
    a, b = world.train(declared("tier")), world.train(declared("tier"), n_estimators=7)
    found = world.compare(a, b)
    assert found.rows is not None
    assert (found.rows.equal, found.rows.changed) == (found.a.training_set.rows, 0)
    assert {one.psi for one in found.features} == {0.0}
    assert found.declared == []
    assert [change.field for change in found.candidates] == ["params.n_estimators"]


def test_a_restated_value_is_found_in_its_column(world: World) -> None:
    a = world.train(declared("value"))
    source = accounts()
    place = source.schema.get_field_index("city")
    world.lakehouse.overwrite(
        "gold.accounts", source.set_column(place, "city", pa.array(["Emden"] * 400)), key="moved"
    )
    found = world.compare(a, world.train(declared("value")))
    assert found.rows is not None
    assert list(found.rows.changed_columns) == ["city"]
    assert found.features[0].column == "city"
    assert found.features[0].psi > 0.25


def test_a_classification_and_a_regression_have_no_label_to_compare(world: World) -> None:
    found = world.compare(world.train(declared("churned")), world.train(declared("value")))
    assert found.label is None
    assert (found.columns.added, found.columns.removed) == (["value"], ["churned"])
    assert found.metrics["test_rmse"][0] is None


def test_a_feature_that_became_another_is_trained_on_and_told(world: World) -> None:
    """A whole number under a name that is a string's from now on."""
    a = world.train(declared("churned"))
    resolved, view = declared("churned"), WORLD.views[0]
    features = [
        one.model_copy(update={"column": "city", "dtype": "string"}) if one.name == "orders" else one
        for one in view.features
    ]
    later = WORLD.model_copy(
        update={"views": [view.model_copy(update={"features": features}), WORLD.views[1]]}
    )
    refs = [
        one.model_copy(update={"dtype": "string"}) if one.feature == "orders" else one
        for one in resolved.features
    ]
    b = world.train(resolved.model_copy(update={"features": refs[:-1]}), declarations=later)

    found = world.compare(a, b)
    assert found.columns.retyped == {"orders": ("int64", "string")}
    assert found.columns.removed == ["visits"]
    assert "orders" not in {one.column for one in found.features}
    assert ("views.account_features.features.orders.dtype", "int64", "string") in [
        (change.field, change.a, change.b) for change in found.declared
    ]
    names = [field.name for field in world.table("training_sets.model_churned").schema().fields]
    assert "visits" not in names
    assert world.reproduce(a).reproduced
    assert world.reproduce(b).reproduced
