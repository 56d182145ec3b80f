"""Metrics agree with scikit-learn's, and what is undefined is left out."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as theirs

from asgard_pipelines.training.evaluation import evaluate
from asgard_pipelines.training.signature import Signature

RNG = np.random.default_rng(3)


def signature(classes: list[object], positive: object = None) -> Signature:
    return Signature(
        framework="sklearn",
        estimator="RandomForest",
        model_type="classification" if classes else "regression",
        inputs=[],
        label="y",
        classes=classes,
        positive_label=positive,
    )


@pytest.mark.parametrize("positive", ["no", "yes"])
def test_binary_metrics_are_of_the_positive_class(positive: str) -> None:
    at = ["no", "yes"].index(positive)
    target = RNG.integers(0, 2, 200)
    share = np.clip(target * 0.3 + RNG.random(200) * 0.7, 0, 1)
    scores = np.column_stack([1 - share, share])
    found = evaluate(signature(["no", "yes"], positive), target.astype(float), scores)
    guessed = scores.argmax(axis=1)
    assert found == pytest.approx(
        {
            "accuracy": theirs.accuracy_score(target, guessed),
            "precision": theirs.precision_score(target, guessed, pos_label=at),
            "recall": theirs.recall_score(target, guessed, pos_label=at),
            "f1_score": theirs.f1_score(target, guessed, pos_label=at),
            "roc_auc": theirs.roc_auc_score(target == at, scores[:, at]),
            "log_loss": theirs.log_loss(target, scores),
        }
    )


def test_multiclass_metrics_are_means_over_classes() -> None:
    target = RNG.integers(0, 3, 300)
    scores = RNG.dirichlet([1, 1, 1], 300)
    found = evaluate(signature(["a", "b", "c"]), target.astype(float), scores)
    guessed = scores.argmax(axis=1)
    assert found == pytest.approx(
        {
            "accuracy": theirs.accuracy_score(target, guessed),
            "precision": theirs.precision_score(target, guessed, average="macro"),
            "recall": theirs.recall_score(target, guessed, average="macro"),
            "f1_score": theirs.f1_score(target, guessed, average="macro"),
            "roc_auc": theirs.roc_auc_score(target, scores, multi_class="ovr"),
            "log_loss": theirs.log_loss(target, scores),
        }
    )


def test_regression_metrics() -> None:
    target, scores = RNG.normal(size=100), RNG.normal(size=100)
    found = evaluate(signature([]), target, scores)
    assert found == pytest.approx(
        {
            "mse": theirs.mean_squared_error(target, scores),
            "rmse": theirs.root_mean_squared_error(target, scores),
            "mae": theirs.mean_absolute_error(target, scores),
            "r2_score": theirs.r2_score(target, scores),
        }
    )


def test_what_test_rows_leave_undefined_is_no_metric() -> None:
    one_class = evaluate(signature([False, True], True), np.ones(4), np.tile([0.2, 0.8], (4, 1)))
    assert "roc_auc" not in one_class
    assert one_class["accuracy"] == 1
    assert "r2_score" not in evaluate(signature([]), np.ones(3), np.zeros(3))


def test_a_class_that_training_lacked_counts_as_an_error() -> None:
    found = evaluate(signature(["a", "b", "c"]), np.array([0.0, -1.0]), np.array([[0.8, 0.1, 0.1]] * 2))
    assert found["accuracy"] == 0.5
    assert found["log_loss"] > 15
