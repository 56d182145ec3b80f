"""Whatever is put into the registry's storage: nothing of it runs, and nothing of it is loaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest
from starlette.testclient import TestClient

from asgard_pipelines.api import create_app
from asgard_pipelines.models import ModelRegistry, ModelVersion, Registration
from asgard_pipelines.models.tracking import open_client
from asgard_pipelines.project import init
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.predictions.hostile_artefacts import IGNORED, REFUSED, Harm, Stored
from asgard_pipelines_tests.training.world import FEATURES, candidate, fitted

FRAMEWORKS = {"forest": ("sklearn", "RandomForest"), "trees": ("xgboost", "XGBoost")}
OF_TREES = {"a link without end", "a byte more", "half of it", "one bit", "lengths past the end"}
"""Tried on the file that a native library reads."""
ROW = {"orders": 3, "spent": 80.5, "city": "Bonn", "member": True, "last_seen": "2024-03-01T00:00:00"}


class World:
    """Two versions each of a model in skops and of one in UBJ, and the API over them."""

    def __init__(self, settings: Settings, client: TestClient) -> None:
        self.settings, self.client = settings, client
        self.registry = ModelRegistry(settings)
        self.versions = {name: self._registered(name) for name in FRAMEWORKS}

    def _registered(self, name: str) -> list[ModelVersion]:
        registration = Registration(
            model=name,
            key="first",
            candidate="c",
            framework=FRAMEWORKS[name][0],
            model_type="classification",
            files=fitted(candidate(*FRAMEWORKS[name]), "churned").files(),
            training_table="training_sets.accounts",
            training_snapshot_id=1,
            sources={"gold.accounts": 1},
            roots={"gold.accounts": 1},
            content_hash="0" * 64,
            inputs={"orders": "numeric"},
        )
        other = fitted(candidate(*FRAMEWORKS[name], max_depth=2), "churned").files()
        made = [
            self.registry.register(registration),
            self.registry.register(replace(registration, key="second", files=other)),
        ]
        self.registry.promote(made[0])
        return made

    def stored(self, name: str, marker: Path) -> Stored:
        first, second = self.versions[name]
        return Stored(
            version=first,
            folder=self._folder(first),
            file="model.skops" if name == "forest" else "model.ubj",
            client=open_client(self.settings),
            marker=marker,
            other=self._folder(second),
        )

    def _folder(self, version: ModelVersion) -> Path:
        (found,) = Path(self.settings.artefact_root).glob(f"*/{version.run_id}/artifacts/model")
        return found

    def asked(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        answer = self.client.post(path, json=body)
        return answer.status_code, answer.json()


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory, empty_tracking: Path) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("founded")
    init(folder / "shop", empty=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ASGARD_REPO", str(folder / "shop"))
        environment.setenv("ASGARD_HOME", str(folder / "home"))
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        settings = Settings.read()
        settings.state_folder.mkdir()
        shutil.copy(empty_tracking, settings.state_folder / "mlflow.db")
        with TestClient(
            create_app(settings), base_url="http://127.0.0.1:8000", raise_server_exceptions=False
        ) as client:
            world = World(settings, client)
            shutil.copytree(settings.state_folder, folder / "kept")
            yield world


@pytest.fixture
def world(founded: World) -> Iterator[World]:
    """As founded, with nothing in memory; made whole again afterwards."""
    home = founded.settings.state_folder
    founded.client.app.state.house.online.models.forget()  # type: ignore[attr-defined]
    yield founded
    kept = home.parent / "kept"
    shutil.rmtree(home / "artefacts")
    shutil.copytree(kept / "artefacts", home / "artefacts")
    with closing(connect(kept / "mlflow.db")) as whole, closing(connect(home / "mlflow.db")) as harmed:
        whole.backup(harmed)


@pytest.fixture
def harmed(world: World, tmp_path: Path) -> Callable[[str, Harm], Stored]:
    def harm(name: str, what: Harm) -> Stored:
        stored = world.stored(name, tmp_path / "it_ran")
        what(stored)
        return stored

    return harm


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_the_world_predicts_as_long_as_nobody_harms_it(world: World, name: str) -> None:
    assert sorted(FEATURES) == sorted(ROW)
    status, answer = world.asked("/mlops/inference", {"model_name": name, "inputs": [ROW]})
    assert (status, answer["model_id"]) == (200, world.versions[name][0].model_id)


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_by_name_and_nothing_runs(
    world: World, harmed: Callable[[str, Harm], Stored], what: str
) -> None:
    name = "trees" if what in OF_TREES else "forest"
    stored = harmed(name, REFUSED[what])
    version = stored.version
    for path, body in (
        ("/mlops/inference", {"model_name": name, "model_version": version.version, "inputs": [ROW]}),
        ("/feast/predictions/online", {"model_id": version.model_id, "features": ROW}),
    ):
        status, answer = world.asked(path, body)
        assert (status, answer["error"]["code"]) == (409, "UNTRUSTED_ARTEFACT"), answer
        assert version.model_id in answer["error"]["message"]
        assert answer["error"]["details"]["model_id"] == version.model_id
    other = world.versions[name][1]
    unharmed = {"model_name": name, "model_version": other.version, "inputs": [ROW]}
    assert world.asked("/mlops/inference", unharmed)[0] == 200
    assert {one["name"] for one in world.client.get("/feast/models").json()} == set(FRAMEWORKS)
    assert not stored.marker.exists()


@pytest.mark.parametrize("what", IGNORED)
def test_what_lies_beside_the_files_is_not_touched(
    world: World, harmed: Callable[[str, Harm], Stored], what: str
) -> None:
    asked = {"model_name": "forest", "inputs": [ROW]}
    before = world.asked("/mlops/inference", asked)[1]["predictions"]
    world.client.app.state.house.online.models.forget()  # type: ignore[attr-defined]
    stored = harmed("forest", IGNORED[what])
    status, answer = world.asked("/mlops/inference", asked)
    assert (status, answer["predictions"]) == (200, before)
    assert not stored.marker.exists()
