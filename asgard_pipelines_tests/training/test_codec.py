"""Nothing is loaded that no model of ours is made of."""

from __future__ import annotations

import io
import json
import pickle
from functools import partial
from zipfile import ZipFile

import numpy as np
import pytest
import skops.io
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from asgard_pipelines.errors import Untrusted
from asgard_pipelines.training.codec import dump_skops, load_skops
from asgard_pipelines.training.fitting import FittedModel
from asgard_pipelines_tests.training.world import candidate, fitted


class Bomb:
    fired = False

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return setattr, (Bomb, "fired", True)


def files(framework: str = "sklearn", estimator: str = "RandomForest") -> dict[str, bytes]:
    return fitted(candidate(framework, estimator), "churned").files()


@pytest.mark.parametrize(
    ("framework", "estimator", "name"),
    [
        ("sklearn", "RandomForest", "model.skops"),
        ("sklearn", "RandomForest", "preprocessing.skops"),
        ("sklearn", "RandomForest", "signature.json"),
        ("xgboost", "XGBoost", "model.ubj"),
        ("lightgbm", "LightGBM", "model.txt"),
    ],
)
def test_a_pickle_by_another_name_is_not_opened(framework: str, estimator: str, name: str) -> None:
    for bomb in (pickle.dumps(Bomb()), b""):
        with pytest.raises(Untrusted):
            FittedModel.load({**files(framework, estimator), name: bomb}, threads=1)
    assert not Bomb.fired


@pytest.mark.parametrize(
    "foreign",
    [
        GaussianNB(),  # skops trusts every estimator; we know which ones are ours
        FunctionTransformer(np.log1p),  # and every NumPy function
        FunctionTransformer(partial(np.add, 1)),
        {"call": print},
        {"type": Bomb},
        StandardScaler().set_params(copy=Bomb()),
    ],
    ids=lambda foreign: type(foreign).__name__,
)
def test_a_foreign_type_is_refused_by_name(foreign: object) -> None:
    with pytest.raises(Untrusted) as refused:
        load_skops(skops.io.dumps(foreign), "model.skops")
    assert refused.value.details["types"]


def test_a_forged_loader_is_refused() -> None:
    data = io.BytesIO(dump_skops(StandardScaler().fit([[1.0], [2.0]])))
    forged = io.BytesIO()
    with ZipFile(data) as source, ZipFile(forged, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "schema.json":
                schema = json.loads(content)
                schema["__loader__"] = "MethodNode"
                content = json.dumps(schema).encode()
            target.writestr(name, content)
    with pytest.raises(Untrusted, match="MethodNode"):
        load_skops(forged.getvalue(), "model.skops")


def test_a_file_without_its_parts_is_refused() -> None:
    whole = files()
    for name in whole:
        with pytest.raises(Untrusted):
            FittedModel.load({key: data for key, data in whole.items() if key != name}, threads=1)
        with pytest.raises(Untrusted):
            FittedModel.load({**whole, name: whole[name][: len(whole[name]) // 2]}, threads=1)


def test_renumbering_changes_nothing_that_is_loaded() -> None:
    scaler = StandardScaler().fit(np.arange(12.0).reshape(4, 3))
    again = load_skops(dump_skops(scaler), "x")
    assert np.array_equal(again.transform(np.eye(3)), scaler.transform(np.eye(3)))
