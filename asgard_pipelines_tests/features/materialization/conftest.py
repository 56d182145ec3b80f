"""The stores that keep the promises of a materialization: SQLite here, the others by `make test-stack`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.stack.online_stores import KINDS, kinds


@pytest.fixture(scope="session", params=kinds())
def store_address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with KINDS[request.param](tmp_path_factory.mktemp(request.param)) as kind:
        yield kind.url


@pytest.fixture
def stored_in(store_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home of its own, with that online store."""
    monkeypatch.setenv("ASGARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASGARD_ONLINE_STORE", store_address)
    return Settings.read()
