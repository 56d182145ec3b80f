"""Views, services and models are listed, shown, deprecated, promoted and ended from the command line too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from asgard_pipelines.declarations import FeatureServiceBody, FeatureViewBody
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.models import ModelRegistry
from asgard_pipelines.project import Wanted, load, put, settle_service, settle_view
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.api.conftest import house_settings, view_body
from asgard_pipelines_tests.empty_project import PLATFORM
from asgard_pipelines_tests.models.test_registry import REGISTRATION

__all__ = ["house_settings", "view_body"]
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def ask(house_settings: Settings, asgard_json: Ask, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Runs a command on the empty project."""
    monkeypatch.setenv("ASGARD_HOME", str(house_settings.state_folder))
    return asgard_json


@pytest.fixture
def declared(house_settings: Settings, view_body: dict[str, Any]) -> Settings:
    """Two views over REST, and a service of the first."""
    lakehouse = Lakehouse(house_settings)
    for name in ("customer_features", "better_features"):
        body = FeatureViewBody.model_validate({**view_body, "name": name})
        settled = settle_view(body, load(house_settings), lakehouse)
        wanted = [Wanted("entity", one, {}) for one in settled.entities]
        put(house_settings, [*wanted, Wanted("feature_view", settled.view, {"name": name})], "mira")
    service = FeatureServiceBody(name="customer_service", feature_views=["customer_features"])
    settled_service = settle_service(service, load(house_settings))
    put(house_settings, [Wanted("feature_service", settled_service, {})], "mira")
    return house_settings


def test_views_and_services_are_listed_deprecated_and_ended(declared: Settings, ask: Ask) -> None:
    listed = {one["name"] for one in ask("views", "list")[1]["views"]}
    assert listed - set(PLATFORM) == {"better_features", "customer_features"}
    code, told = ask("views", "show", "customer_features")
    assert (code, told["needed_by"]) == (0, ["services/customer_service"])
    code, told = ask("views", "deprecate", "customer_features", "--instead", "better_features")
    assert (code, told["status"], told["needed_by"]) == (0, "deprecated", ["services/customer_service"])
    assert ask("views", "show", "customer_features")[1]["deprecated"]["by"] == "cli"
    assert ask("views", "deprecate", "customer_features", "--undo")[1]["status"] == "in use"
    assert ask("views", "show", "customer_features")[1]["deprecated"] is None

    code, told = ask("views", "delete", "customer_features")
    assert (code, told["error"]["code"]) == (2, "CONFLICT")
    assert "customer_service" in told["error"]["message"]
    assert ask("services", "deprecate", "customer_service")[1]["status"] == "deprecated"
    assert ask("services", "show", "customer_service")[1]["deprecated"]["by"] == "cli"
    assert ask("services", "delete", "customer_service") == (0, {"deleted": "customer_service"})
    assert ask("services", "list") == (0, {"services": []})
    assert ask("services", "show", "customer_service")[0] == 2
    assert ask("views", "delete", "customer_features") == (0, {"deleted": "customer_features"})
    assert ask("views", "show", "customer_features")[1]["error"]["code"] == "FEATURE_VIEW_NOT_FOUND"


def test_versions_are_promoted_rolled_back_and_deprecated(house_settings: Settings, ask: Ask) -> None:
    registry = ModelRegistry(house_settings)
    first = registry.register(REGISTRATION)
    second = registry.register(replace(REGISTRATION, key="key-2"))
    for version in (first, second):
        code, told = ask("models", "promote", version.model_id)
        assert (code, told) == (0, {"model_id": version.model_id, "aliases": ["champion"]})
    assert ask("models", "list")[1]["models"][0]["champion"] == second.model_id
    assert ask("models", "promote", second.model_id, "--alias", "staging")[1]["aliases"] == [
        "champion",
        "staging",
    ]
    assert ask("models", "rollback", "churn")[1]["model_id"] == first.model_id
    assert ask("models", "delete", first.model_id)[0] == 2  # the champion
    assert ask("models", "delete", second.model_id)[1]["status"] == "deprecated"
    shown = ask("models", "show", "churn")[1]
    assert {one["model_id"]: one["deprecated"] for one in shown["versions"]} == {
        first.model_id: False,
        second.model_id: True,
    }
    assert ask("models", "promote", second.model_id)[1]["error"]["code"] == "CONFLICT"
    assert ask("models", "show", "chrun")[1]["error"]["code"] == "MODEL_NOT_FOUND"
    assert ask("models", "deprecate", "churn")[0] == 2  # it is registered, and nowhere declared


@pytest.mark.parametrize("kind", ["views", "services", "models"])
def test_lists_are_for_people_too(
    declared: Settings, ask: Ask, asgard: Callable[..., tuple[int, str, str]], kind: str
) -> None:
    code, page, _ = asgard(kind, "list")
    assert (code, "name" in page) == (0, True)
