"""A model that a program logged to MLflow by itself, taken over: as far as its bytes can be read safely.

What comes out is a model like any of ours: skops of our list, UBJ or text, with a signature beside it, that
scores by the same code. Nothing is unpickled, and nothing that the model says of itself is believed before
its bytes have been read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import yaml
from sklearn.compose import ColumnTransformer

from asgard_pipelines.declarations import ModelType
from asgard_pipelines.errors import Untrusted
from asgard_pipelines.training.codec import load_skops
from asgard_pipelines.training.fitting import FittedModel
from asgard_pipelines.training.frameworks import FRAMEWORKS
from asgard_pipelines.training.frameworks.lightgbm import Fitted as LightGbm
from asgard_pipelines.training.frameworks.sklearn import Fitted as Sklearn
from asgard_pipelines.training.frameworks.ubj import check_ubj
from asgard_pipelines.training.frameworks.xgboost import Fitted as Xgboost
from asgard_pipelines.training.signature import Class, Input, Signature
from asgard_pipelines.training.sound_trees import require_sound_trees

MLMODEL = "MLmodel"
_LONGEST = 200_000
_DTYPES = {
    **dict.fromkeys(("double", "float"), "float64"),
    **dict.fromkeys(("long", "integer"), "int64"),
    "boolean": "bool",
}


@dataclass(frozen=True)
class _Read:
    """A model's estimator: its `name` among ours, and what its bytes say."""

    fitted: Any
    framework: Any
    name: str
    model_type: ModelType
    classes: list[Class]
    inputs: int
    names: list[str]


def take_over(files: Mapping[str, bytes]) -> FittedModel:
    """
    Args:
        files: what MLflow's `log_model` stored: `MLmodel` and what it names.

    Raises:
        Untrusted: why it is not taken, in a sentence.
    """
    described = _described(files)
    flavours = described.get("flavors")
    flavours = flavours if isinstance(flavours, dict) else {}
    known: dict[str, Callable[[Any, Mapping[str, bytes]], _Read]] = {
        "sklearn": _sklearn,
        "xgboost": _xgboost,
        "lightgbm": _lightgbm,
    }
    flavour = next((one for one in known if isinstance(flavours.get(one), dict)), None)
    if flavour is not None:
        return _tried(lambda: _whole(known[flavour](flavours[flavour], files), described))
    told = ", ".join(sorted(str(name) for name in flavours)) or "none"
    raise Untrusted(
        f"Its flavours ({told}) are none that is read without running code: log it with mlflow.sklearn "
        "(skops), mlflow.xgboost (UBJ or JSON) or mlflow.lightgbm (a Booster, as text)."
    )


def _tried(read: Callable[[], FittedModel]) -> FittedModel:
    """The model, when it scores a row."""
    try:
        model = read()
        shape = model.scores(model.trial_row()).shape
    except Untrusted:
        raise
    except Exception as error:  # whatever a library makes of what anybody may have written
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise Untrusted(f"It does not score a row of numbers: {told}") from error
    wanted = (1, len(model.signature.classes)) if model.signature.classes else (1,)
    if shape != wanted:
        raise Untrusted(f"It scores a row as {shape}, and {wanted} would be right.")
    return model


def _described(files: Mapping[str, bytes]) -> dict[str, Any]:
    try:
        found = yaml.safe_load(files[MLMODEL][:_LONGEST])
    except (KeyError, yaml.YAMLError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Untrusted(f"It has no {MLMODEL} that says what it is.")
    return found


def _whole(read: _Read, described: Mapping[str, Any]) -> FittedModel:
    inputs = _inputs(read, described)
    positive: Class | None = None
    if len(read.classes) == 2:
        ones = [one for one in read.classes if one is True or one == 1]
        positive = ones[0] if ones else sorted(read.classes, key=str)[-1]
    signature = Signature(
        framework=read.framework,
        estimator=read.name,
        model_type=read.model_type,
        inputs=inputs,
        label="",
        classes=read.classes,
        positive_label=positive,
    )
    names = [one.name for one in inputs]
    passing = ColumnTransformer([("numbers", "passthrough", names)], verbose_feature_names_out=False)
    passing.fit(pd.DataFrame(np.zeros((1, len(names))), columns=names))
    needs = FRAMEWORKS[signature.framework]().algorithms(read.model_type)[read.name].needs
    return FittedModel(signature, passing, needs, read.fitted)


def _inputs(read: _Read, described: Mapping[str, Any]) -> list[Input]:
    """By the signature that was logged with it, else by the names that the estimator has."""
    logged = described.get("signature")
    columns: Any = None
    if isinstance(logged, dict) and isinstance(logged.get("inputs"), str):
        try:
            columns = json.loads(logged["inputs"])
        except (ValueError, RecursionError):
            columns = None
    if isinstance(columns, list) and all(isinstance(one, dict) and "name" in one for one in columns):
        found = [Input(name=str(one["name"]), dtype=_dtype(one)) for one in columns]
    else:
        found = [Input(name=name, dtype="float64") for name in read.names]
    if not found or len({one.name for one in found}) != len(found) or len(found) != read.inputs:
        raise Untrusted(
            f"The names of its {read.inputs} inputs are not known: log it with an `input_example`, a frame "
            "with the columns that it was fitted on."
        )
    return found


def _dtype(column: Mapping[str, Any]) -> str:
    dtype = _DTYPES.get(str(column.get("type")))
    if dtype is None:
        raise Untrusted(
            f"Its input '{column['name']}' is a {column.get('type')}, and what a script makes of other "
            "things than numbers is not known: have it take numbers."
        )
    return dtype


def _data(flavour: Mapping[str, Any], key: str, files: Mapping[str, bytes]) -> tuple[str, bytes]:
    name = flavour.get(key)
    if not isinstance(name, str) or name not in files:
        raise Untrusted(f"{MLMODEL} names a file '{name}' that is not there.")
    return name, files[name]


def _sklearn(flavour: Mapping[str, Any], files: Mapping[str, bytes]) -> _Read:
    name, data = _data(flavour, "pickled_model", files)
    if not name.endswith(".skops"):
        raise Untrusted(
            f"'{name}' is a pickle, which is never read here: log with serialization_format='skops'."
        )
    estimator = load_skops(data, name)
    names = [str(one) for one in getattr(estimator, "feature_names_in_", ())]
    parts = [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    for part in parts:
        vars(part).pop("feature_names_in_", None)  # it is given a matrix: the signature has the names
    last = parts[-1]
    require_sound_trees(last, int(last.n_features_in_))
    for kind in ("classification", "regression"):
        model_type: ModelType = "classification" if kind == "classification" else "regression"
        for algorithm in FRAMEWORKS["sklearn"]().algorithms(model_type).values():
            if getattr(algorithm, "of_type", None) is type(last):
                classes = _classes(getattr(estimator, "classes_", ())) if kind == "classification" else []
                return _Read(
                    Sklearn(estimator, 1),
                    "sklearn",
                    algorithm.name,
                    model_type,
                    classes,
                    int(estimator.n_features_in_),
                    names,
                )
    raise Untrusted(f"'{name}' is a {type(last).__name__}, which is no estimator that Asgard scores with.")


def _classes(found: Any) -> list[Class]:
    classes: list[Any] = np.asarray(found).tolist()
    if len(classes) < 2 or not all(isinstance(one, (bool, int, str)) for one in classes):
        raise Untrusted(f"Its classes are {classes[:5]}; bools, integers or texts are right.")
    return classes


def _xgboost(flavour: Mapping[str, Any], files: Mapping[str, bytes]) -> _Read:
    import xgboost
    from xgboost.core import XGBoostError

    name, data = _data(flavour, "data", files)
    booster = xgboost.Booster({"nthread": 1})
    try:
        keys = set(json.loads(data)) if name.endswith(".json") else check_ubj(data)
        if keys != {"learner", "version"}:
            raise ValueError("it has other keys than a model")
        booster.load_model(bytearray(data))
        objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
        count = int(json.loads(booster.save_config())["learner"]["learner_model_param"]["num_class"])
    except (XGBoostError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise Untrusted(f"'{name}' is no XGBoost model in UBJ or JSON: {error}") from error
    model_type, classes = _task(
        "XGBoost",
        objective,
        count,
        {"binary:logistic"},
        {"multi:softprob"},
        ("reg:", "count:"),
    )
    names, inputs = list(booster.feature_names or ()), booster.num_features()
    booster.feature_names = None  # the signature has them
    return _Read(
        Xgboost(booster, len(classes), inputs), "xgboost", "XGBoost", model_type, classes, inputs, names
    )


def _lightgbm(flavour: Mapping[str, Any], files: Mapping[str, bytes]) -> _Read:
    import lightgbm
    from lightgbm.basic import LightGBMError

    name, data = _data(flavour, "data", files)
    if name.endswith(".pkl"):
        raise Untrusted(f"'{name}' is a pickle, which is never read here: log the model's `booster_`.")
    try:
        text = data.decode()
        booster = lightgbm.Booster(model_str=text)
        line = next(line for line in text.splitlines() if line.startswith("objective="))
        told = line.removeprefix("objective=").split()
    except (LightGBMError, UnicodeDecodeError, StopIteration) as error:
        raise Untrusted(f"'{name}' is no LightGBM model in text.") from error
    count = next((int(part.split(":")[1]) for part in told if part.startswith("num_class:")), 0)
    regressions = ("regression", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie")
    model_type, classes = _task("LightGBM", told[0], count, {"binary"}, {"multiclass"}, regressions)
    return _Read(
        LightGbm(booster, len(classes), 1),
        "lightgbm",
        "LightGBM",
        model_type,
        classes,
        booster.num_feature(),
        booster.feature_name(),
    )


def _task(
    library: str, objective: str, count: int, two: set[str], many: set[str], values: tuple[str, ...]
) -> tuple[ModelType, list[Class]]:
    if objective in two:
        return "classification", [0, 1]
    if objective in many and count > 1:
        return "classification", list(range(count))
    if objective.startswith(values):
        return "regression", []
    raise Untrusted(
        f"Its objective '{objective}' is none that {library} scores with here: "
        f"{', '.join(sorted(two | many))} and regressions are."
    )
