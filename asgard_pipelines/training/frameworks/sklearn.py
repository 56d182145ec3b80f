"""scikit-learn: forests, gradient boosting, linear models, kept as skops."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils._param_validation import InvalidParameterError, validate_parameter_constraints
from threadpoolctl import ThreadpoolController, threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from asgard_pipelines.declarations import ModelType
from asgard_pipelines.errors import Invalid
from asgard_pipelines.training.codec import dump_skops, load_skops
from asgard_pipelines.training.frameworks import Matrix, Needs, Task, Vector

FILE = "model.skops"
DEFAULT = "RandomForest"
OTHER_NAMES = {"seed": "random_state"}

_CHUNK = 16_384
_BOUNDS = frozenset({"max_depth", "max_leaf_nodes", "min_samples_leaf", "min_samples_split"})
_ROWS_A_LEAF = 10_000
"""A fully grown forest on 150,000 rows takes 2 GB: left without bounds, a leaf holds a share of the rows."""
# Not hyperparameters: what the platform decides, what prints, what needs code or a second fit.
_OURS = frozenset(
    {
        "random_state",
        "n_jobs",
        "verbose",
        "warm_start",
        "class_weight",
        "callbacks",
        "init",
        "categorical_features",
    }
)


@dataclass(frozen=True)
class Estimator:
    name: str
    of_type: Any
    needs: Needs

    def known(self) -> frozenset[str]:
        return frozenset(self.of_type._get_param_names()) - _OURS

    def problem(self, name: str, value: object) -> str | None:
        constraints = {name: self.of_type._parameter_constraints[name]}
        if isinstance(value, bool) and "boolean" not in constraints[name]:
            return f"does not take {value!r}"
        try:
            validate_parameter_constraints(constraints, {name: value}, caller_name=self.name)
        except InvalidParameterError as error:
            return "takes " + str(error).partition(" must be ")[2].replace(" Got", " not").rstrip(".")
        return None

    def defaults(self, given: Mapping[str, Any], rows: int) -> dict[str, Any]:
        if self.of_type is LogisticRegression:
            return {"max_iter": 1000}
        if self.name == "RandomForest" and not _BOUNDS & given.keys():
            return {"min_samples_leaf": max(1, rows // _ROWS_A_LEAF)}
        return {}

    def fit(self, task: Task, matrix: Matrix, target: Vector, weights: Vector | None) -> Fitted:
        estimator = self.of_type(**task.params)
        estimator.set_params(random_state=task.seed)
        threaded = "n_jobs" in estimator.get_params() and self.name == DEFAULT
        try:
            with threadpool_limits(task.threads):
                if threaded:
                    estimator.set_params(n_jobs=task.threads)
                estimator.fit(matrix, target, sample_weight=weights)
        except ValueError as error:
            raise Invalid(
                f"scikit-learn refuses: {str(error).splitlines()[0]}", framework="sklearn"
            ) from error
        if threaded:
            estimator.set_params(n_jobs=None)  # the bytes must not depend on the machine
        return Fitted(estimator, task.threads)


@cache
def _native_threads() -> ThreadpoolController:
    """Found once: looking for the libraries that have threads takes longer than predicting a row."""
    return ThreadpoolController()


class Fitted:
    def __init__(self, estimator: Any, threads: int) -> None:
        self._estimator = estimator
        self._threads = threads

    def predict(self, matrix: Matrix) -> Vector:
        with _native_threads().limit(limits=self._threads):
            if not hasattr(self._estimator, "estimators_") or len(matrix) <= _CHUNK:
                return self._of(matrix)
            # A forest with n_jobs adds up its trees in the order in which they end. Chunks of rows, each
            # in one thread, use the cores too, and give the same bits every time.
            chunks = [matrix[start : start + _CHUNK] for start in range(0, len(matrix), _CHUNK)]
            with ThreadPoolExecutor(self._threads) as pool:
                return np.concatenate(list(pool.map(self._of, chunks)))

    def _of(self, matrix: Matrix) -> Vector:
        predict = getattr(self._estimator, "predict_proba", self._estimator.predict)
        return np.asarray(predict(matrix), dtype=np.float64)

    def importances(self) -> Vector:
        if hasattr(self._estimator, "coef_"):
            return np.asarray(np.atleast_2d(np.abs(self._estimator.coef_)).mean(axis=0), dtype=np.float64)
        if hasattr(self._estimator, "_predictors"):
            return _gains(self._estimator)
        return np.asarray(self._estimator.feature_importances_, dtype=np.float64)

    def dump(self) -> bytes:
        return dump_skops(self._estimator)


def _gains(estimator: Any) -> Vector:
    """Histogram gradient boosting has no importances of its own: the gain of every split, summed."""
    totals = np.zeros(estimator.n_features_in_)
    for predictors in estimator._predictors:
        for predictor in predictors:
            splits = predictor.nodes[predictor.nodes["is_leaf"] == 0]
            np.add.at(totals, splits["feature_idx"], np.maximum(splits["gain"], 0.0))
    return totals


_TREES = Needs(np.float32)
_COMPLETE_TREES = Needs(np.float32, complete=True)
_BINNED = Needs(np.float64)
_LINEAR = Needs(np.float64, complete=True, scaled=True)

_OF_TYPE: dict[ModelType, dict[str, Estimator]] = {
    "classification": {
        "RandomForest": Estimator("RandomForest", RandomForestClassifier, _TREES),
        "GradientBoosting": Estimator("GradientBoosting", GradientBoostingClassifier, _COMPLETE_TREES),
        "HistGradientBoosting": Estimator("HistGradientBoosting", HistGradientBoostingClassifier, _BINNED),
        "Linear": Estimator("Linear", LogisticRegression, _LINEAR),
    },
    "regression": {
        "RandomForest": Estimator("RandomForest", RandomForestRegressor, _TREES),
        "GradientBoosting": Estimator("GradientBoosting", GradientBoostingRegressor, _COMPLETE_TREES),
        "HistGradientBoosting": Estimator("HistGradientBoosting", HistGradientBoostingRegressor, _BINNED),
        "Linear": Estimator("Linear", Ridge, _LINEAR),
    },
}


def algorithms(model_type: ModelType) -> Mapping[str, Estimator]:
    return _OF_TYPE[model_type]


def load(data: bytes, classes: int, threads: int) -> Fitted:
    return Fitted(load_skops(data, FILE), threads)
