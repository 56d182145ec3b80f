"""XGBoost: gradient-boosted trees, kept as UBJ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost
from xgboost.core import XGBoostError

from asgard_pipelines.declarations import ModelType
from asgard_pipelines.errors import Invalid, Untrusted
from asgard_pipelines.training.frameworks import Matrix, Needs, Task, Vector
from asgard_pipelines.training.frameworks.parameters import Choice, Parameters, above, at_least, whole
from asgard_pipelines.training.frameworks.ubj import check_ubj

FILE = "model.ubj"
DEFAULT = "XGBoost"
OTHER_NAMES = {
    "eta": "learning_rate",
    "lambda": "reg_lambda",
    "alpha": "reg_alpha",
    "min_split_loss": "gamma",
    "seed": "random_state",
}
_NEEDS = Needs(np.float32)

_SHARED: Parameters = {
    "n_estimators": whole(1),
    "max_depth": whole(0),
    "max_leaves": whole(0),
    "max_bin": whole(2),
    "grow_policy": Choice(("depthwise", "lossguide")),
    "tree_method": Choice(("auto", "exact", "approx", "hist")),
    "learning_rate": above(0),
    "gamma": at_least(0),
    "min_child_weight": at_least(0),
    "max_delta_step": at_least(0),
    "subsample": above(0, 1),
    "colsample_bytree": above(0, 1),
    "colsample_bylevel": above(0, 1),
    "colsample_bynode": above(0, 1),
    "reg_alpha": at_least(0),
    "reg_lambda": at_least(0),
    "num_parallel_tree": whole(1),
}
_OF_TYPE: dict[ModelType, Parameters] = {
    "classification": {**_SHARED, "scale_pos_weight": above(0)},
    "regression": {
        **_SHARED,
        "objective": Choice(
            (
                "reg:squarederror",
                "reg:absoluteerror",
                "reg:pseudohubererror",
                "reg:squaredlogerror",
                "reg:gamma",
                "reg:tweedie",
                "count:poisson",
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
        return {}

    def fit(self, task: Task, matrix: Matrix, target: Vector, weights: Vector | None) -> Fitted:
        kind = xgboost.XGBRegressor if self.model_type == "regression" else xgboost.XGBClassifier
        estimator = kind(**task.params, random_state=task.seed, n_jobs=task.threads, verbosity=0)
        try:
            estimator.fit(matrix, target, sample_weight=weights)
        except (XGBoostError, ValueError) as error:
            raise Invalid(f"XGBoost refuses: {str(error).splitlines()[0]}", framework="xgboost") from error
        return Fitted(estimator.get_booster(), task.classes, matrix.shape[1])


class Fitted:
    def __init__(self, booster: xgboost.Booster, classes: int, columns: int) -> None:
        self._booster = booster
        self._classes = classes
        self._columns = columns

    def predict(self, matrix: Matrix) -> Vector:
        scores = np.asarray(self._booster.inplace_predict(matrix), dtype=np.float64)
        return np.column_stack([1 - scores, scores]) if self._classes == 2 else scores

    def importances(self) -> Vector:
        gains = self._booster.get_score(importance_type="total_gain")
        return np.array([gains.get(f"f{column}", 0.0) for column in range(self._columns)])

    def dump(self) -> bytes:
        return bytes(self._booster.save_raw(raw_format="ubj"))


def algorithms(model_type: ModelType) -> Mapping[str, Trees]:
    return {DEFAULT: Trees(model_type)}


def load(data: bytes, classes: int, threads: int) -> Fitted:
    booster = xgboost.Booster({"nthread": threads})
    try:
        if check_ubj(data) != {"learner", "version"}:
            raise ValueError("it has other keys than a model")
        booster.load_model(bytearray(data))
    except (XGBoostError, ValueError) as error:
        raise Untrusted(f"'{FILE}' is no XGBoost model in UBJ: {error}", file=FILE) from error
    return Fitted(booster, classes, booster.num_features())
