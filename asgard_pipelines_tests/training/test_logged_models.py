"""Models that a program logged by itself, taken over; and those that are not."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import mlflow.lightgbm
import mlflow.sklearn
import mlflow.xgboost
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xgboost
from mlflow.models import infer_signature
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from asgard_pipelines.errors import Untrusted
from asgard_pipelines.training import take_over
from asgard_pipelines.training.fitting import FittedModel

ROWS = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0)[::-1] % 7})
TWO = np.where(ROWS.a > 20, 1, 0)
WORDS = np.array(["no", "yes"])[TWO]
MANY = (ROWS.a // 14).astype(int)
VALUES = ROWS.a * 2 + 1

TREES = [
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
]
"""What MLflow itself does not trust, and we do when they are sound."""

Save = Callable[..., dict[str, bytes]]


@pytest.fixture
def saved(tmp_path: Path) -> Save:
    """The files that MLflow stores of a model, as a script's `log_model` would."""

    def save(module: Any, model: Any, **options: Any) -> dict[str, bytes]:
        with warnings.catch_warnings(action="ignore"):  # MLflow's, of its own parts
            options.setdefault("signature", infer_signature(ROWS, VALUES))
            module.save_model(model, str(tmp_path / "model"), pip_requirements=[], **options)
        root = tmp_path / "model"
        return {str(one.relative_to(root)): one.read_bytes() for one in root.rglob("*") if one.is_file()}

    return save


@pytest.mark.parametrize(
    ("estimator", "target", "classes"),
    [
        (RandomForestClassifier(5, random_state=0), TWO, [0, 1]),
        (RandomForestClassifier(5, random_state=0), WORDS, ["no", "yes"]),
        (LogisticRegression(max_iter=500), MANY, [0, 1, 2]),
        (make_pipeline(StandardScaler(), LogisticRegression()), TWO, [0, 1]),
        (Ridge(), VALUES, []),
    ],
    ids=["forest", "words", "many", "pipeline", "ridge"],
)
def test_scikit_learn_in_skops_scores_as_before(
    estimator: Any, target: Any, classes: list[Any], saved: Save
) -> None:
    estimator.fit(ROWS, target)
    wanted = (estimator.predict_proba if classes else estimator.predict)(ROWS)
    model = take_over(saved(mlflow.sklearn, estimator, skops_trusted_types=TREES))
    assert model.signature.classes == classes
    _scores(model, wanted)


def _scores(model: FittedModel, wanted: Any) -> None:
    """It, and what is kept of it."""
    assert [(one.name, one.dtype) for one in model.signature.inputs] == [("a", "float64"), ("b", "float64")]
    kept = FittedModel.load(model.files(), 1)
    for one in (model, kept):
        np.testing.assert_allclose(one.scores(pa.Table.from_pandas(ROWS)), wanted, rtol=1e-5)


@pytest.mark.parametrize("form", ["ubj", "json"])
def test_xgboost_scores_as_before(form: str, saved: Save) -> None:
    estimator = xgboost.XGBClassifier(n_estimators=5).fit(ROWS, TWO)
    model = take_over(saved(mlflow.xgboost, estimator.get_booster(), model_format=form))
    _scores(model, estimator.predict_proba(ROWS))


def test_lightgbm_scores_as_before(saved: Save) -> None:
    estimator = lightgbm.LGBMRegressor(n_estimators=5, verbosity=-1).fit(ROWS, VALUES)
    _scores(take_over(saved(mlflow.lightgbm, estimator.booster_)), estimator.predict(ROWS))


@pytest.mark.parametrize("kind", [RandomForestClassifier, HistGradientBoostingClassifier])
@pytest.mark.parametrize("wrong", [10**6, -5, 0])
def test_trees_that_point_out_of_their_nodes_are_refused(kind: Any, wrong: int, saved: Save) -> None:
    estimator = kind(random_state=0).fit(np.tile(ROWS, (5, 1)), np.tile(TWO, 5))
    if kind is RandomForestClassifier:
        tree = estimator.estimators_[3].tree_
        state = tree.__getstate__()
        state["nodes"]["left_child"][0] = wrong
        tree.__setstate__(state)
    else:
        estimator._predictors[3][0].nodes["left"][0] = wrong % 2**32
    with pytest.raises(Untrusted, match=r"point to what is not there|with one child"):
        take_over(saved(mlflow.sklearn, estimator, skops_trusted_types=TREES))


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("unpickled"),))


def test_a_pickle_is_told_and_never_read(
    saved: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = saved(mlflow.sklearn, Ridge().fit(ROWS, VALUES), serialization_format="cloudpickle")
    files["model.pkl"] = pickle.dumps(Payload())
    with pytest.raises(Untrusted, match="is a pickle, which is never read here"):
        take_over(files)
    renamed = {
        **files,
        "model.skops": files["model.pkl"],
        "MLmodel": files["MLmodel"].replace(b"model.pkl", b"model.skops"),
    }
    with pytest.raises(Untrusted, match="no skops file"):
        take_over(renamed)
    assert not (tmp_path / "unpickled").exists()


def test_what_is_not_on_our_list_is_told(saved: Save) -> None:
    estimator = GaussianNB().fit(ROWS, TWO)
    files = saved(
        mlflow.sklearn,
        estimator,
        serialization_format="skops",
        skops_trusted_types=["sklearn.naive_bayes.GaussianNB"],
    )
    with pytest.raises(Untrusted, match="GaussianNB"):
        take_over(files)


def test_inputs_that_are_not_known_are_told(saved: Save) -> None:
    estimator = Ridge().fit(ROWS.to_numpy(), VALUES)
    with pytest.raises(Untrusted, match="log it with an `input_example`"):
        take_over(saved(mlflow.sklearn, estimator, serialization_format="skops", signature=None))


@pytest.mark.parametrize(
    "described",
    [
        b"",
        b"\xff\xfe",
        b"- a\n- b",
        b"flavors: 3",
        b"flavors: {python_function: {loader_module: os}}",
        b"flavors: {sklearn: {pickled_model: ../../etc/passwd}}",
        b"flavors: {sklearn: {pickled_model: [a]}}",
        b"flavors: {sklearn: {pickled_model: model.skops}}\nsignature: {inputs: '[['}",
        b"!!python/object/apply:os.system ['touch unpickled']",
        b"flavors: {xgboost: {data: model.skops}}",
        b"flavors: {lightgbm: {data: model.skops}}",
        b"{" * 5000,
    ],
)
def test_a_description_that_is_none_is_refused(described: bytes) -> None:
    with pytest.raises(Untrusted):
        take_over({"MLmodel": described, "model.skops": b"nothing"})
    assert not Path("unpickled").exists()
