"""The registry keeps one version per key, one champion per model, and only the bytes it was given."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from asgard_pipelines.errors import Invalid, ModelNotFound, Untrusted
from asgard_pipelines.models import ModelRegistry, Registration, runs
from asgard_pipelines.settings import Settings

REGISTRATION = Registration(
    model="churn",
    key="key-1",
    candidate="forest",
    framework="sklearn",
    model_type="classification",
    files={"model.skops": b"the model", "signature.json": b"{}"},
    training_table="training_sets.churn",
    training_snapshot_id=7_000_000_000_000_000_001,
    sources={"gold.aggregates": 11},
    roots={"gold.purchases": 22},
    content_hash="c0ffee" * 10,
    params={"n_estimators": 10},
    metrics={"test_roc_auc": 0.8, "train_roc_auc": 0.9},
    inputs={"total_orders": "numeric", "city": "string"},
    pictures={"roc": b"\x89PNG"},
    description="Who leaves",
)


@pytest.fixture
def registry(tracked: Settings) -> ModelRegistry:
    return ModelRegistry(tracked)


def test_a_version_says_what_it_was_made_from(registry: ModelRegistry) -> None:
    version = registry.register(REGISTRATION)
    assert version.model_id == f"churn_{version.version}"
    assert (version.number, version.candidate, version.framework, version.model_type) == (
        1,
        "forest",
        "sklearn",
        "classification",
    )
    assert version.metrics == {"test_roc_auc": 0.8, "train_roc_auc": 0.9}
    assert (version.training_table, version.training_snapshot_id) == (
        "training_sets.churn",
        7_000_000_000_000_000_001,
    )
    assert (version.sources, version.roots) == ({"gold.aggregates": 11}, {"gold.purchases": 22})
    assert version.content_hash == REGISTRATION.content_hash
    assert registry.artefact(version) == dict(REGISTRATION.files)
    assert registry.pictures(version) == {"roc": b"\x89PNG"}


def test_the_run_records_params_and_the_training_snapshot(registry: ModelRegistry) -> None:
    version = registry.register(REGISTRATION)
    run = registry._client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"n_estimators": "10"}
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.source == '{"table": "training_sets.churn", "snapshot_id": 7000000000000000001}'


def test_the_same_key_is_the_same_version(registry: ModelRegistry) -> None:
    first = registry.register(REGISTRATION)
    assert registry.register(REGISTRATION) == first
    assert registry.by_key("churn", "key-1") == first
    assert registry.by_key("churn", "another") is None
    assert len(registry.versions("churn")) == len(runs.runs(registry._client, "churn")) == 1


@pytest.mark.parametrize("step", ["start", "record", "create_model_version"])
def test_a_crash_between_steps_and_a_rerun_give_one_version(
    registry: ModelRegistry, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = registry._client if step == "create_model_version" else runs
    real = getattr(owner, step)

    def crash(*given: object, **named: object) -> None:
        if step == "record":
            real(*given, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(owner, step, crash)
        with pytest.raises(KeyboardInterrupt):
            registry.register(REGISTRATION)
    assert registry.versions("churn") == []
    version = registry.register(REGISTRATION)
    assert registry.versions("churn") == [version]
    (run,) = runs.runs(registry._client, "churn")
    assert (run.info.status, run.info.run_id) == ("FINISHED", version.run_id)
    assert registry.artefact(version) == dict(REGISTRATION.files)


def test_versions_made_in_one_second_take_the_next_free_one(registry: ModelRegistry) -> None:
    keys = [f"key-{n}" for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda key: registry.register(replace(REGISTRATION, key=key)), keys))
    assert len({version.version for version in made}) == 4
    assert [version.number for version in registry.versions("churn")] == [4, 3, 2, 1]


def test_the_alias_moves_and_names_find_versions(registry: ModelRegistry) -> None:
    first = registry.register(REGISTRATION)
    second = registry.register(replace(REGISTRATION, key="key-2"))
    assert registry.champion("churn") is None
    assert registry.promote(first).aliases == ["champion"]
    registry.promote(second)
    champion = registry.champion("churn")
    assert champion is not None
    assert champion.number == 2
    for name in ["churn", "churn@champion", second.model_id]:
        assert registry.find(name) == champion
    assert registry.find(first.model_id).aliases == ["previous"]
    assert [version.aliases for version in registry.versions()] == [["champion"], ["previous"]]


def test_unknown_models_are_not_found_with_the_nearest_id(registry: ModelRegistry) -> None:
    version = registry.register(REGISTRATION)
    with pytest.raises(ModelNotFound, match=f"Did you mean '{version.model_id}'"):
        registry.find("churm_" + version.version)
    for wrong in ["churn", "churn@staging", "nothing", "churn_20200101_000000", "a' or 1=1_20200101_000000"]:
        with pytest.raises(ModelNotFound):
            registry.find(wrong)
    assert registry.versions("nothing") == []
    assert registry.champion("nothing") is None


def test_reserved_aliases_and_paths_as_file_names_are_refused(registry: ModelRegistry) -> None:
    version = registry.register(REGISTRATION)
    for alias in ["latest", "v1", "a b"]:
        with pytest.raises(Invalid, match="alias"):
            registry.promote(version, alias)
    for name in ["../model.skops", "a/b", "MLmodel"]:
        with pytest.raises(Invalid, match="file name"):
            registry.register(replace(REGISTRATION, key="other", files={name: b""}))


@pytest.mark.parametrize("harm", ["flip", "remove"])
def test_bytes_that_are_not_those_registered_are_untrusted(
    registry: ModelRegistry, settings: Settings, harm: str
) -> None:
    version = registry.register(REGISTRATION)
    (stored,) = Path(settings.artefact_root).rglob("model.skops")
    if harm == "flip":
        stored.write_bytes(bytes([stored.read_bytes()[0] ^ 1]) + stored.read_bytes()[1:])
    else:
        stored.unlink()
    with pytest.raises(Untrusted, match=r"model\.skops"):
        registry.artefact(version)
    others = {name: data for name, data in REGISTRATION.files.items() if name != "model.skops"}
    assert registry.artefact(version, [*others, "never registered"]) == others


def test_versions_registered_by_hand_are_left_alone(registry: ModelRegistry) -> None:
    version = registry.register(REGISTRATION)
    registry._client.create_model_version("churn", source=f"runs:/{version.run_id}/x", run_id=version.run_id)
    assert registry.versions("churn") == [version]


def test_importing_the_room_does_not_import_mlflow() -> None:
    code = "import sys, asgard_pipelines.models; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_mlflow_says_nothing_and_phones_nobody(settings: Settings) -> None:
    code = (
        "from asgard_pipelines.models import ModelRegistry; from asgard_pipelines.settings import Settings;"
        "ModelRegistry(Settings.read()).versions();"
        "from mlflow.telemetry.client import get_telemetry_client; assert get_telemetry_client() is None"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""
