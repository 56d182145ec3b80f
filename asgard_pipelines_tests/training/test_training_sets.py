"""A training set is computed from pinned snapshots, is itself one, and remembers both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from asgard_pipelines.declarations import Declarations, ResolvedModel
from asgard_pipelines.errors import ColumnNotFound, Invalid, NotEnoughSamples, TypeMismatch
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.settings import Settings
from asgard_pipelines.training import TrainingSet, build_training_set, read_manifest
from asgard_pipelines.training import assembly as module
from asgard_pipelines.training.content import content_hash
from asgard_pipelines_tests.training.world import DECLARATIONS, FEATURES, VIEW, accounts, resolved_model, utc

Build = Callable[..., TrainingSet]
Pins = Callable[[], dict[str, Pin]]


@pytest.fixture
def build(settings: Settings, lakehouse: Lakehouse, pins: Pins) -> Build:
    """Builds at the accounts' present snapshot, or at the pins given."""

    def at(
        resolved: ResolvedModel,
        pinned: dict[str, Pin] | None = None,
        declarations: Declarations = DECLARATIONS,
        roots: dict[str, int] | None = None,
    ) -> TrainingSet:
        return build_training_set(settings, lakehouse, declarations, resolved, pinned or pins(), roots or {})

    return at


def stored(lakehouse: Lakehouse, training_set: TrainingSet) -> pa.Table:
    return lakehouse.read_table(Pin(training_set.table, training_set.snapshot_id))


def test_rows_are_the_sources_with_features_as_of_their_time(build: Build, lakehouse: Lakehouse) -> None:
    training_set = build(resolved_model())
    rows = stored(lakehouse, training_set)
    assert rows.column_names == ["created_at", "account_id", "churned", *FEATURES, "split"]
    assert rows.num_rows == training_set.rows == 400
    source = accounts()
    newest = {
        (row["account_id"], row["created_at"]): set()  # accounts may have several rows in a month
        for row in source.to_pylist()
    }
    for row in source.to_pylist():
        newest[row["account_id"], row["created_at"]].add((row["orders"], row["city"]))
    for row in rows.to_pylist():
        assert (row["orders"], row["city"]) in newest[row["account_id"], row["created_at"]]
    assert training_set.coverage == {"account_features": 1.0}
    assert training_set.label_counts == {"False": 266, "True": 134}


def test_the_manifest_says_how_rows_are_split_and_is_kept_in_the_snapshot(
    build: Build, lakehouse: Lakehouse, pins: Pins
) -> None:
    training_set = build(resolved_model(label_horizon=timedelta(days=45)))
    rows = stored(lakehouse, training_set)
    times = {
        part: rows.filter(pc.equal(rows["split"], part))["created_at"] for part in ("train", "gap", "test")
    }
    counts = (training_set.train_rows, training_set.gap_rows, training_set.test_rows)
    assert tuple(len(times[part]) for part in ("train", "gap", "test")) == counts
    assert sum(counts) == training_set.rows
    assert training_set.test_start == utc(*pc.min(times["test"]).as_py().timetuple()[:6])
    assert training_set.train_end == utc(*pc.max(times["train"]).as_py().timetuple()[:6])
    assert training_set.train_end + timedelta(days=45) <= training_set.test_start
    assert training_set.content_hash == content_hash(rows)
    assert training_set.sources == {"gold.accounts": pins()["gold.accounts"].snapshot_id}
    assert read_manifest(lakehouse, Pin(training_set.table, training_set.snapshot_id)) == training_set


def test_the_same_again_is_found_and_not_computed(
    build: Build, pins: Pins, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(resolved_model(), roots={"gold.accounts": pins()["gold.accounts"].snapshot_id})
    monkeypatch.setattr(module, "historical_features", None)
    assert build(resolved_model(), roots=first.roots) == first
    retried = resolved_model(candidates=[{"name": "other", "framework": "xgboost"}], description="new words")
    assert build(retried, roots=first.roots) == first
    assert build(resolved_model()).roots == {}


@pytest.mark.parametrize(
    "declared",
    [
        {"test_size": 0.4},
        {"label_horizon": "30d"},
        {"split": "random"},
        {"features": ["orders"]},
        {"start_date": "2024-02-01"},
    ],
    ids=lambda declared: next(iter(declared)),
)
def test_what_shapes_the_rows_makes_another_set(build: Build, declared: dict[str, Any]) -> None:
    first, second = build(resolved_model()), build(resolved_model(**declared))
    assert first.snapshot_id != second.snapshot_id
    assert first.declaration_hash != second.declaration_hash
    assert build(resolved_model()) == first


def test_another_ttl_makes_another_set(build: Build) -> None:
    shorter = VIEW.model_copy(update={"ttl": timedelta(hours=1)})
    first = build(resolved_model())
    assert build(resolved_model(), declarations=DECLARATIONS.model_copy(update={"views": [shorter]})) != first


def test_the_snapshots_read_are_those_pinned_whatever_lands_meanwhile(
    build: Build, lakehouse: Lakehouse, pins: Pins, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = pins()
    real = module.source_rows

    def lands_in_the_middle(*given: Any) -> pa.Table:
        rows = real(*given)
        lakehouse.append("gold.accounts", accounts(seed=8), key="landed meanwhile")
        return rows

    monkeypatch.setattr(module, "source_rows", lands_in_the_middle)
    training_set = build(resolved_model(), before)
    assert pins() != before
    assert training_set.sources == {"gold.accounts": before["gold.accounts"].snapshot_id}
    assert training_set.rows == 400
    monkeypatch.undo()
    assert build(resolved_model(), before) == training_set
    assert build(resolved_model()).rows == 800


def test_equal_rows_in_other_files_have_the_same_content(
    build: Build, lakehouse: Lakehouse, settings: Settings
) -> None:
    first = build(resolved_model())
    shuffled = accounts().take(pa.array(np.random.default_rng(1).permutation(400)))
    lakehouse.overwrite("gold.accounts", shuffled, key="rewritten")
    second = build(resolved_model())
    assert second.snapshot_id != first.snapshot_id
    assert second.content_hash == first.content_hash


def test_every_snapshot_it_stands_on_is_tagged(
    build: Build, lakehouse: Lakehouse, settings: Settings
) -> None:
    from pyiceberg.catalog import load_catalog

    lakehouse.append("gold.raw", pa.table({"x": [1]}), key="raw")
    root = lakehouse.pin("gold.raw").snapshot_id
    training_set = build(resolved_model(), roots={"gold.raw": root})
    catalog = load_catalog("iceberg", **settings.catalog_properties)
    for table, snapshot in {
        "gold.raw": root,
        training_set.table: training_set.snapshot_id,
        **training_set.sources,
    }.items():
        refs = catalog.load_table(table).metadata.refs
        assert snapshot in {ref.snapshot_id for name, ref in refs.items() if name != "main"}


def test_a_root_that_moves_without_effect_is_recorded_and_tagged_too(
    build: Build, lakehouse: Lakehouse
) -> None:
    lakehouse.append("gold.raw", pa.table({"x": [1]}), key="raw")
    first = build(resolved_model(), roots={"gold.raw": lakehouse.pin("gold.raw").snapshot_id})
    lakehouse.append("gold.raw", pa.table({"x": [2]}), key="more")
    second = build(resolved_model(), roots={"gold.raw": lakehouse.pin("gold.raw").snapshot_id})
    assert second.snapshot_id == first.snapshot_id
    assert second.roots != first.roots


def test_the_window_is_inclusive_and_a_missing_label_is_no_row(build: Build, lakehouse: Lakehouse) -> None:
    source = accounts()
    labels = [None if place % 2 else value for place, value in enumerate(source["value"].to_pylist())]
    labels[0] = float("nan")
    place = source.schema.get_field_index("value")
    lakehouse.overwrite("gold.accounts", source.set_column(place, "value", pa.array(labels)), key="holes")
    training_set = build(resolved_model("value", start_date="2024-01-31", end_date="2024-03-31"))
    rows = stored(lakehouse, training_set)
    kept = [
        row
        for row, label in zip(source.to_pylist(), labels, strict=True)
        if label == label and label is not None and "2024-01-31" <= f"{row['created_at']:%F}" <= "2024-03-31"
    ]
    assert rows.num_rows == len(kept)
    assert pc.max(rows["created_at"]).as_py() == max(row["created_at"] for row in kept)
    assert training_set.label_counts == {}


def test_a_random_split_keeps_no_gap(build: Build, lakehouse: Lakehouse) -> None:
    training_set = build(resolved_model("tier", split="random", test_size=0.25))
    rows = stored(lakehouse, training_set)
    assert (training_set.train_end, training_set.test_start, training_set.gap_rows) == (None, None, 0)
    for tier, count in training_set.label_counts.items():
        tested = rows.filter(pc.and_(pc.equal(rows["tier"], tier), pc.equal(rows["split"], "test")))
        assert tested.num_rows == round(count * 0.25)


def test_a_missing_column_is_named_with_the_nearest(build: Build) -> None:
    with pytest.raises(ColumnNotFound, match=r"Column 'churn' not found.*Did you mean 'churned'"):
        build(resolved_model("churn"))


def test_a_label_that_is_none_is_refused(build: Build) -> None:
    with pytest.raises(TypeMismatch, match="model_type: regression"):
        build(resolved_model("value", model_type="classification"))


def test_a_feature_called_as_the_label_is_refused(build: Build) -> None:
    with pytest.raises(Invalid, match="two columns 'orders'"):
        build(resolved_model("orders"))


def test_an_array_is_no_feature_to_learn_from(build: Build) -> None:
    resolved = resolved_model()
    array = resolved.features[0].model_copy(update={"dtype": "array<float64>"})
    with pytest.raises(
        TypeMismatch, match=r"'orders' of 'account_features' is array<float64>.*feature_service"
    ):
        build(resolved.model_copy(update={"features": [array]}))


@pytest.mark.parametrize(
    ("declared", "counts"),
    [
        ({"start_date": "2030-01-01"}, {"rows": 0}),
        ({"label_horizon": "400d"}, {"rows": 400, "train_rows": 0, "gap_rows": 271, "test_rows": 129}),
    ],
    ids=["empty window", "horizon"],
)
def test_too_few_rows_are_counted_with_the_remedies(
    build: Build, declared: dict[str, Any], counts: dict[str, int]
) -> None:
    with pytest.raises(NotEnoughSamples, match="Not enough samples") as refused:
        build(resolved_model(**declared))
    details = refused.value.details
    assert {name: details[name] for name in counts} == counts
    for remedy in ("Extend date range", "Collect more historical data", "Reduce test_size"):
        assert remedy in refused.value.message


def test_one_class_to_train_on_is_not_enough(build: Build, lakehouse: Lakehouse) -> None:
    source = accounts()
    one = pa.array([value.month > 8 for value in source["created_at"].to_pylist()])
    place = source.schema.get_field_index("churned")
    lakehouse.overwrite("gold.accounts", source.set_column(place, "churned", one), key="one class")
    with pytest.raises(NotEnoughSamples, match="all training rows have one 'churned'"):
        build(resolved_model())


def test_one_instant_is_told_to_split_at_random(build: Build) -> None:
    window = {"start_date": "2024-01-01", "end_date": "2024-01-02"}
    with pytest.raises(Invalid, match="split: random"):
        build(resolved_model(**window))
    assert build(resolved_model(**window, split="random")).test_rows > 0


def test_no_feature_within_the_ttl_is_refused_with_the_reason(build: Build, lakehouse: Lakehouse) -> None:
    stale = accounts()
    place = stale.schema.get_field_index("created_at")
    older = pc.subtract(stale["created_at"], pa.scalar(timedelta(days=1000)))
    lakehouse.append("gold.stale", stale.set_column(place, "created_at", older), key="stale")
    view = VIEW.model_copy(update={"table": "gold.stale"})
    resolved = resolved_model().model_copy(update={"tables": ["gold.accounts", "gold.stale"]})
    pinned = {name: lakehouse.pin(name) for name in resolved.tables}
    with pytest.raises(
        Invalid, match=r"'account_features' has rows up to 2022-\d\d-\d\d 00:00 and a TTL of 1 day"
    ):
        build(resolved, pinned, DECLARATIONS.model_copy(update={"views": [view]}))
    assert not lakehouse.exists("training_sets.model_churned")


def test_a_table_that_is_no_training_set_has_no_manifest(lakehouse: Lakehouse, pins: Pins) -> None:
    with pytest.raises(Invalid, match="no training set"):
        read_manifest(lakehouse, pins()["gold.accounts"])
