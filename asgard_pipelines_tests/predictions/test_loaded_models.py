"""Models in memory: loaded once by one thread, dropped when others are asked for, never kept as failures."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from asgard_pipelines.errors import Untrusted
from asgard_pipelines.models import ModelRegistry, ModelVersion, Registration
from asgard_pipelines.predictions import loaded_models
from asgard_pipelines.predictions.loaded_models import LoadedModels
from asgard_pipelines.settings import Settings
from asgard_pipelines.training import Predictor, load_predictor
from asgard_pipelines_tests.models.test_registry import REGISTRATION
from asgard_pipelines_tests.training.world import candidate, fitted

FILES = fitted(candidate("lightgbm", "LightGBM"), "churned").files()


class Loading:
    """Three versions of a model, and what is loaded of them, in order. A shut gate holds a loading."""

    def __init__(self, settings: Settings) -> None:
        self.registry = ModelRegistry(settings)
        self.models = LoadedModels(settings, self.registry)
        self.loaded: list[str] = []
        self.gates: dict[str, threading.Event] = {}
        whole: Registration = replace(REGISTRATION, framework="lightgbm", files=FILES)
        self.versions = [self.registry.register(replace(whole, key=f"key-{number}")) for number in range(3)]

    def load(self, settings: Settings, version: ModelVersion, *, threads: int | None = None) -> Predictor:
        self.loaded.append(version.model_id)
        if version.model_id in self.gates:
            assert self.gates[version.model_id].wait(30)
        return load_predictor(settings, version, threads=threads)


@pytest.fixture
def loading(tracked: Settings, monkeypatch: pytest.MonkeyPatch) -> Loading:
    made = Loading(tracked)
    monkeypatch.setattr(loaded_models, "load_predictor", made.load)
    return made


def test_many_that_ask_for_one_version_wait_for_one_loading(loading: Loading) -> None:
    first = loading.versions[0].model_id
    gate = loading.gates[first] = threading.Event()
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(loading.models.get, first) for _ in range(16)]
        gate.set()
        assert {one.result(30).version.model_id for one in asked} == {first}
    assert loading.loaded == [first]


def test_who_asks_for_another_version_does_not_wait(loading: Loading) -> None:
    first, second, _ = (version.model_id for version in loading.versions)
    gate = loading.gates[first] = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(loading.models.get, first)
        assert pool.submit(loading.models.get, second).result(30).version.model_id == second
        assert not waiting.done()
        gate.set()
        assert waiting.result(30).version.model_id == first


def test_what_was_not_asked_for_the_longest_goes_first(
    loading: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded_models, "_MOST", 2)
    first, second, third = (version.model_id for version in loading.versions)
    for asked in (first, second, first, third, first, second):
        loading.models.get(asked)
    assert loading.loaded == [first, second, third, second]


def test_the_alias_that_moved_means_the_other_version(
    loading: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded_models, "_SECONDS", 0.0)
    for version in loading.versions[:2]:
        loading.registry.promote(version)
        assert loading.models.get("churn").version.model_id == version.model_id


def test_a_failure_is_not_kept(loading: Loading, settings: Settings) -> None:
    version = loading.versions[0]
    (stored,) = Path(settings.artefact_root).glob(f"*/{version.run_id}/artifacts/model/model.txt")
    whole = stored.read_bytes()
    stored.write_bytes(whole[:-1])
    for _ in range(2):
        with pytest.raises(Untrusted, match=version.model_id):
            loading.models.get(version.model_id)
    stored.write_bytes(whole)
    assert loading.models.get(version.model_id).version.model_id == version.model_id
    stored.write_bytes(whole[:-1])  # what is held was verified, and is not read again
    assert loading.models.get(version.model_id).version.model_id == version.model_id
