"""Hyperparameters are refused by name, before anything is fitted."""

from __future__ import annotations

import inspect
from typing import Any

import lightgbm
import pytest
import xgboost

from asgard_pipelines.declarations import Hyperparameters, Model
from asgard_pipelines.errors import Invalid
from asgard_pipelines.training import check_hyperparameters
from asgard_pipelines.training.frameworks import FRAMEWORKS
from asgard_pipelines.training.hyperparameters import recipe

DATA = {"entity_df_source": "t", "label_column": "y", "event_timestamp_column": "at"}


def model(framework: str, params: dict[str, Any], estimator: str | None = None, **declared: Any) -> Model:
    return Model(
        name="m",
        where={"file": "m.yaml"},
        framework=framework,
        hyperparameters=Hyperparameters(estimator=estimator, params=params),
        training_data=DATA,
        **{"model_type": "classification", **declared},
    )


@pytest.mark.parametrize(
    ("framework", "params"),
    [
        (
            "sklearn",
            {
                "n_estimators": 100,
                "max_depth": 10,
                "min_samples_split": 2,
                "min_samples_leaf": 1,
                "random_state": 42,
                "class_weight": "balanced",
            },
        ),
        (
            "xgboost",
            {
                "n_estimators": 200,
                "max_depth": 6,
                "learning_rate": 0.1,
                "subsample": 0.8,
                "colsample_bytree": 0.8,
                "gamma": 0,
                "reg_alpha": 0,
                "reg_lambda": 1,
            },
        ),
        (
            "lightgbm",
            {
                "n_estimators": 150,
                "max_depth": 8,
                "learning_rate": 0.05,
                "num_leaves": 31,
                "subsample": 0.8,
                "colsample_bytree": 0.8,
            },
        ),
    ],
)
def test_the_documents_hyperparameters_are_taken(framework: str, params: dict[str, Any]) -> None:
    check_hyperparameters(model(framework, params))


@pytest.mark.parametrize(
    ("framework", "estimator", "params", "message"),
    [
        ("sklearn", None, {"max_dept": 3}, "'max_dept'. Did you mean 'max_depth'"),
        ("sklearn", None, {"num_leaves": 31}, "'num_leaves'; LightGBM would"),
        ("sklearn", None, {"learning_rate": 0.1}, "sklearn's GradientBoosting .*XGBoost and LightGBM would"),
        ("xgboost", None, {"min_samples_leaf": 3}, "sklearn's RandomForest"),
        ("xgboost", None, {"eta": 0.1}, "give it as 'learning_rate'"),
        ("lightgbm", None, {"feature_fraction": 0.5}, "give it as 'colsample_bytree'"),
        ("lightgbm", None, {"zzz": 1}, "It takes .*num_leaves"),
        ("sklearn", None, {"n_estimators": "many"}, "'n_estimators' of sklearn's RandomForest takes an int"),
        ("sklearn", None, {"n_estimators": True}, "does not take True"),
        ("sklearn", None, {"max_depth": -1}, "'max_depth'"),
        ("sklearn", "Linear", {"C": "strong"}, "'C' of sklearn's Linear"),
        ("sklearn", None, {"class_weight": {"0": 2}}, "takes balanced or balanced_subsample"),
        ("xgboost", None, {"max_depth": 3.5}, "takes an integer from 0, not 3.5"),
        ("xgboost", None, {"subsample": 1.5}, "takes a number above 0 to 1, not 1.5"),
        ("xgboost", None, {"class_weight": "even"}, "takes balanced, not 'even'"),
        ("xgboost", None, {"n_estimators": None}, "takes an integer"),
        ("lightgbm", None, {"extra_trees": "yes"}, "takes true or false"),
        ("lightgbm", None, {"boosting_type": "goss"}, "takes one of gbdt, dart, rf"),
        ("lightgbm", None, {"random_state": -1}, "'random_state' of LightGBM takes an integer"),
        ("sklearn", "RandomForrest", {}, "Did you mean 'RandomForest'"),
        ("sklearn", "XGBoost", {}, "framework: xgboost"),
        ("xgboost", "RandomForest", {}, "framework: sklearn"),
    ],
)
def test_what_an_estimator_does_not_take_is_refused_by_name(
    framework: str, estimator: str | None, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(Invalid, match=message):
        check_hyperparameters(model(framework, params, estimator))


def test_a_regression_has_no_classes_to_weigh() -> None:
    with pytest.raises(Invalid, match="a regression has none"):
        check_hyperparameters(model("sklearn", {"class_weight": "balanced"}, model_type="regression"))


def test_all_problems_of_all_candidates_are_reported_with_their_fields() -> None:
    candidates = [
        {
            "name": "a",
            "framework": "sklearn",
            "hyperparameters": {"params": {"max_dept": 3, "n_estimators": 0}},
        },
        {"name": "b", "framework": "xgboost", "hyperparameters": {"estimator": "Trees"}},
    ]
    several = Model(
        name="m", where={"file": "m"}, model_type="classification", training_data=DATA, candidates=candidates
    )
    with pytest.raises(Invalid) as refused:
        check_hyperparameters(several)
    assert [problem["field"] for problem in refused.value.details["problems"]] == [
        "candidates.a.hyperparameters.params.max_dept",
        "candidates.a.hyperparameters.params.n_estimators",
        "candidates.b.hyperparameters.estimator",
    ]


def test_the_seed_is_the_models_unless_given() -> None:
    for framework in FRAMEWORKS:
        declared = model(framework, {}, seed=5)
        assert recipe(declared, declared.all_candidates[0]).seed == 5
        given = model(framework, {"random_state": 0, "n_jobs": 1}, seed=5)
        assert (
            recipe(given, given.all_candidates[0]).seed,
            recipe(given, given.all_candidates[0]).params,
        ) == (0, {})


@pytest.mark.parametrize(
    ("framework", "estimator"), [("xgboost", xgboost.XGBClassifier), ("lightgbm", lightgbm.LGBMClassifier)]
)
def test_names_of_our_tables_are_names_of_the_library(framework: Any, estimator: Any) -> None:
    by_name = {"max_bin", "path_smooth", "extra_trees", "scale_pos_weight", "alpha"}  # LightGBM's **kwargs
    theirs = {name for kind in estimator.__mro__ for name in inspect.signature(kind.__init__).parameters}
    for model_type in ("classification", "regression"):
        (algorithm,) = FRAMEWORKS[framework]().algorithms(model_type).values()
        assert algorithm.known() <= theirs | by_name
