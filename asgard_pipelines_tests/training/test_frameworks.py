"""One suite for every estimator of every framework, for every type of model."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from asgard_pipelines.declarations import Candidate
from asgard_pipelines.errors import ColumnNotFound, Invalid, TypeMismatch
from asgard_pipelines.training.candidates import target_of
from asgard_pipelines.training.evaluation import evaluate
from asgard_pipelines.training.fitting import FittedModel
from asgard_pipelines.training.frameworks import FRAMEWORKS
from asgard_pipelines.training.hyperparameters import recipe
from asgard_pipelines_tests.training.world import (
    ESTIMATORS,
    LABELS,
    TABLE,
    TEST,
    TRAIN,
    candidate,
    fitted,
    resolved_model,
)

every_estimator = pytest.mark.parametrize(("framework", "estimator"), ESTIMATORS)
every_label = pytest.mark.parametrize("label", LABELS)


def test_the_suite_covers_every_estimator() -> None:
    for model_type in ("classification", "regression"):
        known = {(name, e) for name, load in FRAMEWORKS.items() for e in load().algorithms(model_type)}
        assert known == set(ESTIMATORS)


@every_label
@every_estimator
def test_what_is_read_back_predicts_the_same_bits(framework: str, estimator: str, label: str) -> None:
    model = fitted(candidate(framework, estimator), label)
    files = model.files()
    assert not any(name.endswith((".pkl", ".pickle", ".joblib")) for name in files)
    again = FittedModel.load(files, threads=2)
    assert np.array_equal(again.scores(TEST), model.scores(TEST))
    assert again.signature == model.signature
    assert again.importances() == model.importances()


@every_label
@every_estimator
def test_the_same_rows_give_the_same_bytes(framework: str, estimator: str, label: str) -> None:
    one, two = (fitted(candidate(framework, estimator), label).files() for _ in range(2))
    assert one == two


@every_label
@every_estimator
def test_it_learns_and_says_from_what(framework: str, estimator: str, label: str) -> None:
    model = fitted(candidate(framework, estimator), label)
    scores = model.scores(TEST)
    metrics = evaluate(model.signature, target_of(model.signature, TEST), scores)
    assert metrics.get("r2_score", 0) > 0.3 or metrics.get("roc_auc", 0) > 0.75
    if model.signature.classes:
        assert scores.shape == (TEST.num_rows, len(model.signature.classes))
        assert np.allclose(scores.sum(axis=1), 1)
    importances = model.importances()
    assert set(importances) == {"orders", "spent", "city", "member", "last_seen"}
    assert sum(importances.values()) == pytest.approx(1)
    assert importances["orders"] > importances["last_seen"] >= 0


@every_estimator
def test_nulls_unseen_categories_and_other_times_are_scored(framework: str, estimator: str) -> None:
    model = fitted(candidate(framework, estimator), "churned")
    strange = pa.table(
        {
            "city": pa.array(["Dresden", None, ""], pa.string()),
            "orders": pa.array([None, 2**40, -5], pa.int64()),
            "spent": pa.array([float("inf"), 1e300, float("nan")]),
            "member": pa.array([None, True, False], pa.bool_()),
            "last_seen": pa.array(
                [None, datetime(1970, 1, 1), datetime(2100, 1, 1)], pa.timestamp("us", "UTC")
            ),
            "unasked": ["x", "y", "z"],
        }
    )
    assert np.isfinite(model.scores(strange)).all()
    assert len(model.scores(strange.slice(0, 0))) == 0


@every_estimator
def test_rows_are_scored_alike_alone_and_together(framework: str, estimator: str) -> None:
    model = fitted(candidate(framework, estimator), "churned")
    together = model.scores(TEST)
    alone = np.concatenate([model.scores(TEST.slice(place, 1)) for place in range(10)])
    assert np.allclose(alone, together[:10], rtol=0, atol=1e-12)


@every_estimator
def test_balanced_classes_find_more_of_the_rare_one(framework: str, estimator: str) -> None:
    rare = TABLE.filter(
        pa.array(
            [not churned or place % 6 == 0 for place, churned in enumerate(TABLE["churned"].to_pylist())]
        )
    )
    plain = fitted(candidate(framework, estimator), "churned", rare).scores(rare)[:, 1]
    weighed = fitted(candidate(framework, estimator, class_weight="balanced"), "churned", rare).scores(rare)[
        :, 1
    ]
    assert weighed.mean() > plain.mean() + 0.05


@every_estimator
def test_an_input_without_any_value_does_no_harm(framework: str, estimator: str) -> None:
    empty = TRAIN
    for name in ("spent", "city", "last_seen"):
        field = empty.schema.get_field_index(name)
        empty = empty.set_column(field, name, pa.nulls(empty.num_rows, empty.schema.field(name).type))
    model = fitted(candidate(framework, estimator), "churned", empty)
    assert np.isfinite(model.scores(TEST)).all()


@pytest.mark.parametrize(
    ("framework", "estimator"), [e for e in ESTIMATORS if e[1] not in ("Linear", "GradientBoosting")]
)
def test_another_seed_is_another_model(framework: str, estimator: str) -> None:
    random = {"early_stopping": True, "max_features": 0.5}
    params = random if estimator == "HistGradientBoosting" else {}
    one = fitted(candidate(framework, estimator, random_state=1, **params), "value").scores(TEST)
    two = fitted(candidate(framework, estimator, random_state=2, **params), "value").scores(TEST)
    assert not np.array_equal(one, two)


def test_inputs_that_are_missing_or_of_another_kind_are_named() -> None:
    model = fitted(candidate("lightgbm", "LightGBM"), "churned")
    with pytest.raises(ColumnNotFound, match="'city'"):
        model.scores(TEST.drop_columns(["city"]))
    wrong = TEST.set_column(TEST.schema.get_field_index("orders"), "orders", pa.array(["7"] * TEST.num_rows))
    with pytest.raises(TypeMismatch, match="'orders' is string, and the model takes int64"):
        model.scores(wrong)


def test_what_a_library_refuses_at_fitting_is_said_in_its_words() -> None:
    unfit = candidate("sklearn", "Linear", solver="liblinear", l1_ratio=0.5)
    with pytest.raises(Invalid, match="scikit-learn refuses"):
        fitted(unfit, "tier")
    with pytest.raises(Invalid, match="LightGBM refuses"):
        fitted(candidate("lightgbm", "LightGBM", objective="gamma"), "value")


def test_a_forest_without_bounds_stays_small_on_many_rows() -> None:
    made = recipe(resolved_model(framework="sklearn").model, Candidate(name="c", framework="sklearn"))
    assert made.filled(400) == {"min_samples_leaf": 1}
    assert made.filled(150_000) == {"min_samples_leaf": 15}
    bounded = Candidate(name="c", framework="sklearn", hyperparameters={"params": {"max_depth": 9}})
    assert recipe(resolved_model(framework="sklearn").model, bounded).filled(150_000) == {"max_depth": 9}
