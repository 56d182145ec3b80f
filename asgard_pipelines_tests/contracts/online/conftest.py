"""The stores that the contract binds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from asgard_pipelines.features.online import OnlineStore, online_store
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.stack.online_stores import KINDS, Kind, kinds

_NUMBERS = count()


@pytest.fixture(scope="session", params=kinds())
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kind]:
    with KINDS[request.param](tmp_path_factory.mktemp(request.param)) as made:
        yield made


@pytest.fixture
def settings(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ASGARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASGARD_ONLINE_STORE", kind.url)
    return Settings.read()


@pytest.fixture
def project() -> str:
    """Each test has a project of its own in the store that they share."""
    return f"shop{next(_NUMBERS)}"


@pytest.fixture
def store(settings: Settings, project: str) -> OnlineStore:
    return online_store(settings, project)
