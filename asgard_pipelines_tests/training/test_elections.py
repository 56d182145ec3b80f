"""From a training set to the version that predicts."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.metrics import roc_auc_score

from asgard_pipelines.declarations import Candidate, ResolvedModel
from asgard_pipelines.errors import Untrusted
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.models import ModelRegistry, ModelVersion
from asgard_pipelines.settings import Settings
from asgard_pipelines.training import (
    Election,
    TrainingSet,
    build_training_set,
    candidates,
    elect,
    load_predictor,
    train_candidate,
)
from asgard_pipelines_tests.training.world import DECLARATIONS, accounts, candidate, resolved_model

Pins = Callable[[], dict[str, Pin]]
GOOD = candidate("sklearn", "Linear").model_copy(update={"name": "good"})
BAD = candidate("lightgbm", "LightGBM", n_estimators=1, num_leaves=2).model_copy(update={"name": "bad"})


class House:
    """Trains and elects in one lakehouse."""

    def __init__(self, settings: Settings, lakehouse: Lakehouse, pins: Pins) -> None:
        self.settings, self.lakehouse, self._pins = settings, lakehouse, pins

    def training_set(self, resolved: ResolvedModel) -> TrainingSet:
        pins = self._pins()
        roots = {table: pin.snapshot_id for table, pin in pins.items() if pin.snapshot_id}
        return build_training_set(self.settings, self.lakehouse, DECLARATIONS, resolved, pins, roots)

    def train(self, resolved: ResolvedModel, *chosen: Candidate) -> list[ModelVersion]:
        training_set = self.training_set(resolved)
        return [
            train_candidate(self.settings, self.lakehouse, DECLARATIONS, resolved, one, training_set).version
            for one in chosen
        ]

    def elect(self, resolved: ResolvedModel, *chosen: Candidate) -> Election:
        versions = self.train(resolved, *chosen)
        return elect(self.settings, self.lakehouse, resolved, self.training_set(resolved), versions)


@pytest.fixture
def house(tracked: Settings, lakehouse: Lakehouse, pins: Pins) -> House:
    return House(tracked, lakehouse, pins)


def test_a_trained_candidate_is_registered_with_all_that_made_it(house: House) -> None:
    resolved = resolved_model()
    training_set = house.training_set(resolved)
    trained = train_candidate(house.settings, house.lakehouse, DECLARATIONS, resolved, GOOD, training_set)
    version = trained.version
    assert (version.training_table, version.training_snapshot_id) == (
        training_set.table,
        training_set.snapshot_id,
    )
    assert (version.sources, version.roots) == (training_set.sources, training_set.roots)
    assert version.content_hash == training_set.content_hash
    metrics = ["accuracy", "f1_score", "log_loss", "precision", "recall", "roc_auc"]
    assert sorted(version.metrics) == sorted(
        f"{part}_{name}" for part in ("test", "train") for name in metrics
    )
    assert sum(trained.importances.values()) == pytest.approx(1)
    assert set(trained.pictures) == {"roc", "confusion", "importances"}
    for png in trained.pictures.values():
        assert png.startswith(b"\x89PNG")
        assert len(png) < 60_000


def test_the_recorded_metrics_are_those_of_the_stored_test_rows(house: House) -> None:
    resolved = resolved_model()
    (version,) = house.train(resolved, GOOD)
    pin = Pin(version.training_table, version.training_snapshot_id)
    rows = house.lakehouse.read_table(pin)
    test = rows.filter(pc.equal(rows["split"], "test"))
    scores = load_predictor(house.settings, version).predict(test)
    area = roc_auc_score(test["churned"].to_pylist(), scores.prediction.to_pylist())
    assert version.metrics["test_roc_auc"] == pytest.approx(area)


def test_training_again_gives_the_same_version_without_fitting(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved = resolved_model()
    training_set = house.training_set(resolved)
    first = train_candidate(house.settings, house.lakehouse, DECLARATIONS, resolved, GOOD, training_set)
    monkeypatch.setattr(candidates, "fit", None)
    assert (
        train_candidate(house.settings, house.lakehouse, DECLARATIONS, resolved, GOOD, training_set) == first
    )


def test_the_best_candidate_is_the_first_champion(house: House) -> None:
    election = house.elect(resolved_model(), BAD, GOOD)
    assert (election.elected.candidate, election.promoted, election.previous) == ("good", True, None)
    assert election.metric == "roc_auc"
    assert len(election.scores) == 2
    assert election.scores[election.elected.version] == pytest.approx(
        election.elected.metrics["test_roc_auc"]
    )
    assert "is the first champion" in election.reason
    assert ModelRegistry(house.settings).champion("model_churned") == election.elected


def test_electing_again_changes_nothing(house: House) -> None:
    first = house.elect(resolved_model(), BAD, GOOD)
    again = house.elect(resolved_model(), BAD, GOOD)
    assert again.elected == first.elected == again.previous
    assert not again.promoted
    assert again.scores == first.scores
    assert Election.model_validate_json(again.model_dump_json()) == again


@pytest.mark.parametrize("label", ["churned", "tier", "value"])
def test_the_champion_stays_unless_it_is_beaten(house: House, label: str) -> None:
    resolved = resolved_model(label)
    good = house.elect(resolved, GOOD)
    kept = house.elect(resolved, BAD)
    assert (kept.elected, kept.promoted) == (good.elected, False)
    assert "does not beat the champion" in kept.reason
    assert set(kept.scores) == {good.elected.version, house.train(resolved, BAD)[0].version}
    assert kept.metric == {"churned": "roc_auc", "tier": "log_loss", "value": "rmse"}[label]


def test_a_champion_that_is_beaten_hands_over_the_alias(house: House) -> None:
    resolved = resolved_model("value")
    bad = house.elect(resolved, BAD)
    won = house.elect(resolved, GOOD)
    assert (won.elected.candidate, won.previous, won.promoted) == ("good", bad.elected, True)
    assert f"beats the champion bad {bad.elected.model_id} (rmse" in won.reason
    assert "on the 129 test rows" in won.reason
    champion = ModelRegistry(house.settings).champion("model_value")
    assert champion is not None
    assert champion.version == won.elected.version


def test_the_champion_is_judged_on_the_new_test_rows(house: House) -> None:
    resolved = resolved_model()
    champion = house.elect(resolved, GOOD).elected
    house.lakehouse.append("gold.accounts", accounts(seed=9), key="more")
    election = house.elect(resolved, BAD)
    assert election.scores[champion.version] != pytest.approx(champion.metrics["test_roc_auc"])
    assert "some of which the champion was trained on" not in election.reason


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (["orders", "city"], ["orders", "spent"], "takes other inputs.*'city'"),
        (["orders", "city"], ["orders", "city", "spent"], "does not take what the model takes now: spent"),
    ],
)
def test_a_champion_with_other_inputs_is_replaced(
    house: House, before: list[str], after: list[str], reason: str
) -> None:
    old = house.elect(resolved_model(features=before), GOOD).elected
    election = house.elect(resolved_model(features=after), BAD)
    assert (election.elected.candidate, election.previous, election.promoted) == ("bad", old, True)
    assert old.model_id in election.reason
    assert re.search(reason, election.reason)


def test_scores_have_the_shapes_that_are_promised(house: House) -> None:
    table = accounts().slice(0, 5)
    (binary,) = house.train(resolved_model(), GOOD)
    scores = load_predictor(house.settings, binary).predict(table)
    assert (scores.prediction.type, scores.label.type, scores.probabilities) == (
        pa.float64(),
        pa.bool_(),
        None,
    )
    assert [p >= 0.5 for p in scores.prediction.to_pylist()] == scores.label.to_pylist()
    assert len(load_predictor(house.settings, binary).predict(table.slice(0, 0)).prediction) == 0

    (multiclass,) = house.train(resolved_model("tier"), GOOD)
    scores = load_predictor(house.settings, multiclass).predict(table)
    assert (scores.prediction.type, scores.label) == (pa.string(), None)
    for tier, given in zip(scores.prediction.to_pylist(), scores.probabilities.to_pylist(), strict=True):
        assert [name for name, _ in given] == ["gold", "iron", "zinc"]
        assert max(dict(given), key=dict(given).__getitem__) == tier

    (regression,) = house.train(resolved_model("value"), GOOD)
    scores = load_predictor(house.settings, regression).predict(table)
    assert (scores.prediction.type, scores.label, scores.probabilities) == (pa.float64(), None, None)


def test_the_predictor_names_its_inputs_and_the_declared_positive_class(house: House) -> None:
    two = pc.if_else(accounts()["churned"], "left", "stayed")
    source = accounts().append_column("outcome", two)
    house.lakehouse.overwrite("gold.accounts", source, key="outcome")
    (version,) = house.train(resolved_model("outcome", positive_label="left"), GOOD)
    predictor = load_predictor(house.settings, version)
    assert predictor.inputs == {
        "orders": "int64",
        "spent": "float64",
        "city": "string",
        "member": "bool",
        "last_seen": "timestamp",
    }
    scores = predictor.predict(source)
    left = np.array(scores.prediction.to_pylist())[np.array(source["churned"].to_pylist())]
    assert left.mean() > 0.5
    assert set(scores.label.to_pylist()) == {"left", "stayed"}


def test_a_flipped_byte_is_refused_before_anything_is_loaded(house: House) -> None:
    (version,) = house.train(resolved_model(), GOOD)
    (stored,) = Path(house.settings.artefact_root).rglob("model.skops")
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.write_bytes(data)
    with pytest.raises(Untrusted, match=r"model\.skops"):
        load_predictor(house.settings, version)


def test_importing_the_room_and_its_records_imports_no_library() -> None:
    code = (
        "import sys; from asgard_pipelines.training import TrainingSet, Election;"
        "heavy = {'sklearn', 'xgboost', 'lightgbm', 'skops', 'matplotlib', 'mlflow', 'pyarrow', 'numpy'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
