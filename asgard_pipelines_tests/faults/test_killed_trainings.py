"""The API is killed while a model is trained, predicted with and promoted: each request is sent again with
its key, and has been done once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from asgard_pipelines.declarations import FeatureViewBody
from asgard_pipelines.graph import graphql
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.models import ModelRegistry
from asgard_pipelines.project import Wanted, load, put, settle_view
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.api.documents import (
    BATCH_PREDICTIONS,
    CREATE_FEATURE_VIEW,
    TRAIN_MODEL,
    altered,
    customer_features,
    customers_to_score,
)
from asgard_pipelines_tests.empty_project import empty_project
from asgard_pipelines_tests.serving import House, send, served, until

pytestmark = pytest.mark.timeout(900)


class Platform:
    """An empty project that runs, with the tables of document 000."""

    def __init__(self, settings: Settings, house: House) -> None:
        self.settings, self.house = settings, house
        self.lakehouse = Lakehouse(settings)
        self.registry = ModelRegistry(settings)

    def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> tuple[int, Any]:
        """As a careful client asks: again after a broken connection, and when it is told to wait."""
        deadline = time.monotonic() + 300
        while True:
            answer = send(self.house.api, method, path, body, key)
            busy = answer and answer[0] in (409, 429, 503) and "retry_after_seconds" in str(answer[1])
            if answer is not None and not busy:
                return answer
            assert time.monotonic() < deadline, answer
            time.sleep(1)

    def killed(self, delay: float, method: str, path: str, body: Any, key: str) -> tuple[int, Any] | None:
        """What is answered to a request when the API is killed so many seconds after it was sent."""
        answers: list[tuple[int, Any] | None] = []
        asking = threading.Thread(
            target=lambda: answers.append(send(self.house.api, method, path, body, key))
        )
        asking.start()
        time.sleep(delay)
        self.house.kill("asgard_pipelines.api.server:application")
        asking.join(60)
        until(lambda: send(self.house.api, "GET", "/health/live") is not None, 90)
        return answers[0]

    def nodes(self) -> set[str]:
        found = graphql(self.house.dagster, "{ assetNodes { assetKey { path } } }")["assetNodes"]
        return {"/".join(node["assetKey"]["path"]) for node in found}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    with empty_project(folder) as settings:
        lakehouse = Lakehouse(settings)
        lakehouse.append("gold.customer_features", customer_features(), key="features")
        lakehouse.append("gold.customers_to_score", customers_to_score(), key="to score")
        with served(SimpleNamespace(settings=settings)) as house:
            found = Platform(settings, house)
            assert found.ask("POST", "/feast/features", CREATE_FEATURE_VIEW)[0] == 201
            yield found


def test_a_view_declared_just_before_a_crash_becomes_a_node(platform: Platform) -> None:
    body = FeatureViewBody.model_validate(altered(CREATE_FEATURE_VIEW, name="declared_in_time"))
    settled = settle_view(body, load(platform.settings), platform.lakehouse)
    put(platform.settings, [Wanted("feature_view", settled.view, {})], "who died")
    assert "features/declared_in_time" not in platform.nodes()
    platform.house.kill("asgard_pipelines.api.server:application")
    until(lambda: "features/declared_in_time" in platform.nodes(), 90)


@pytest.mark.parametrize("delay", [0.3, 4.0, 9.0])
def test_a_killed_training_is_done_once(platform: Platform, delay: float) -> None:
    name = f"killed_after_{int(delay * 10)}"
    body = altered(TRAIN_MODEL, name=name, hyperparameters__params={"n_estimators": 20})
    first = platform.killed(delay, "POST", "/feast/models", body, key=name)
    status, answer = platform.ask("POST", "/feast/models", body, key=name)
    if first is not None:
        assert (status, answer) == first
    assert status in (200, 201), answer
    (version,) = platform.registry.versions(name)
    assert (answer["model_id"], answer["promoted"]) == (version.model_id, True)


def test_a_killed_prediction_lands_once(platform: Platform) -> None:
    model = altered(TRAIN_MODEL, name="predicts", hyperparameters__params={"n_estimators": 20})
    assert platform.ask("POST", "/feast/models", model)[0] in (200, 201)
    for number, delay in enumerate([0.3, 3.0, 8.0]):
        key, table = f"predict-{number}", f"scores_{number}"
        body = altered(BATCH_PREDICTIONS, model_id="predicts", output_table=table)
        first = platform.killed(delay, "POST", "/feast/predictions/batch", body, key=key)
        status, answer = platform.ask("POST", "/feast/predictions/batch", body, key=key)
        if first is not None:
            assert (status, answer) == first
        assert (status in (200, 201), answer["num_predictions"]) == (True, 40)
        rows = platform.lakehouse.read_table(platform.lakehouse.pin(f"gold.{table}"))
        assert rows.num_rows == 40
        assert set(rows["prediction_id"].to_pylist()) == {answer["prediction_id"]}


def test_a_killed_promotion_and_a_killed_end_are_done_again(platform: Platform) -> None:
    body = altered(TRAIN_MODEL, name="moves", hyperparameters__params={"n_estimators": 5})
    assert platform.ask("POST", "/feast/models", body)[0] in (200, 201)
    more = altered(body, hyperparameters__params={"n_estimators": 8})
    assert platform.ask("POST", "/feast/models?replace=true", more)[0] in (200, 201)
    versions = [one.version for one in platform.registry.versions("moves")]
    assert len(versions) == 2
    for number, delay in enumerate([0.0, 0.05, 0.2, 1.0]):
        wanted = {"version": versions[number % 2]}
        platform.killed(delay, "POST", "/feast/models/moves/promote", wanted, key=f"promote-{number}")
        status, answer = platform.ask("POST", "/feast/models/moves/promote", wanted, key=f"promote-{number}")
        assert (status, "champion" in answer["aliases"]) == (200, True)
        champion = platform.registry.champion("moves")
        assert champion is not None
        assert champion.version == wanted["version"]
    platform.killed(0.1, "DELETE", "/feast/models/moves", None, key="end")
    assert platform.ask("DELETE", "/feast/models/moves")[0] in (200, 404)
    assert "moves" not in {one.model.name for one in load(platform.settings).models}
