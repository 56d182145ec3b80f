"""LightGBM: gradient-boosted trees, kept as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
from lightgbm.basic import LightGBMError

from asgard_pipelines.declarations import ModelType
from asgard_pipelines.errors import Invalid, Untrusted
from asgard_pipelines.training.frameworks import Matrix, Needs, Task, Vector
from asgard_pipelines.training.frameworks.parameters import (
    Choice,
    Parameters,
    Switch,
    above,
    at_least,
    whole,
)

FILE = "model.txt"
DEFAULT = "LightGBM"
OTHER_NAMES = {
    "num_iterations": "n_estimators",
    "eta": "learning_rate",
    "boosting": "boosting_type",
    "feature_fraction": "colsample_bytree",
    "bagging_fraction": "subsample",
    "bagging_freq": "subsample_freq",
    "lambda_l1": "reg_alpha",
    "lambda_l2": "reg_lambda",
    "min_data_in_leaf": "min_child_samples",
    "min_gain_to_split": "min_split_gain",
    "min_sum_hessian_in_leaf": "min_child_weight",
    "seed": "random_state",
}
_NEEDS = Needs(np.float64)

_SHARED: Parameters = {
    "n_estimators": whole(1),
    "boosting_type": Choice(("gbdt", "dart", "rf")),
    "num_leaves": whole(2),
    "max_depth": whole(),
    "max_bin": whole(2),
    "learning_rate": above(0),
    "min_split_gain": at_least(0),
    "min_child_weight": at_least(0),
    "min_child_samples": whole(0),
    "subsample": above(0, 1),
    "subsample_freq": whole(0),
    "subsample_for_bin": whole(1),
    "colsample_bytree": above(0, 1),
    "reg_alpha": at_least(0),
    "reg_lambda": at_least(0),
    "path_smooth": at_least(0),
    "extra_trees": Switch(),
}
_OF_TYPE: dict[ModelType, Parameters] = {
    "classification": {**_SHARED, "scale_pos_weight": above(0)},
    "regression": {
        **_SHARED,
        "alpha": above(0),
        "objective": Choice(
            (
                "regression",
                "regression_l1",
                "huber",
                "fair",
                "poisson",
                "quantile",
                "mape",
                "gamma",
                "tweedie",
            )
        ),
    },
}


@dataclass(frozen=True)
class Trees:
    model_type: ModelType
    name: str = DEFAULT
    needs: Needs = _NEEDS

    def known(self) -> frozenset[str]:
        return frozenset(_OF_TYPE[self.model_type])

    def problem(self, name: str, value: object) -> str | None:
        return _OF_TYPE[self.model_type][name].problem(value)

    def defaults(self, given: Mapping[str, Any], rows: int) -> dict[str, Any]:
        # LightGBM ignores `subsample` without a frequency.
        return {"subsample_freq": 1} if given.get("subsample", 1) < 1 else {}

    def fit(self, task: Task, matrix: Matrix, target: Vector, weights: Vector | None) -> Fitted:
        kind = lightgbm.LGBMRegressor if self.model_type == "regression" else lightgbm.LGBMClassifier
        estimator = kind(
            **task.params,
            random_state=task.seed,
            n_jobs=task.threads,
            deterministic=True,
            force_row_wise=True,
            verbosity=-1,
        )
        try:
            estimator.fit(matrix, target, sample_weight=weights)
        except (LightGBMError, ValueError) as error:
            raise Invalid(f"LightGBM refuses: {str(error).splitlines()[0]}", framework="lightgbm") from error
        return Fitted(estimator.booster_, task.classes, task.threads)


class Fitted:
    def __init__(self, booster: lightgbm.Booster, classes: int, threads: int) -> None:
        self._booster = booster
        self._classes = classes
        self._threads = threads

    def predict(self, matrix: Matrix) -> Vector:
        scores = np.asarray(self._booster.predict(matrix, num_threads=self._threads), dtype=np.float64)
        return np.column_stack([1 - scores, scores]) if self._classes == 2 else scores

    def importances(self) -> Vector:
        return np.asarray(self._booster.feature_importance("gain"), dtype=np.float64)

    def dump(self) -> bytes:
        # The bytes must not depend on the machine; the trees do not.
        text: str = self._booster.model_to_string()
        return text.replace(f"[num_threads: {self._threads}]", "[num_threads: 0]").encode()


def algorithms(model_type: ModelType) -> Mapping[str, Trees]:
    return {DEFAULT: Trees(model_type)}


def load(data: bytes, classes: int, threads: int) -> Fitted:
    try:
        booster = lightgbm.Booster(model_str=data.decode())
    except (LightGBMError, UnicodeDecodeError) as error:
        raise Untrusted(f"'{FILE}' is no LightGBM model in text.", file=FILE) from error
    return Fitted(booster, classes, threads)
