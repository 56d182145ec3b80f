"""Fixtures of the lakehouse's tests."""

from __future__ import annotations

import pytest

from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.settings import Settings


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """One lakehouse for the tests of a module that keep to tables of their own."""
    return Lakehouse(Settings(home=tmp_path_factory.mktemp("home")))


@pytest.fixture
def lakehouse(settings: Settings) -> Lakehouse:
    """An empty lakehouse of its own."""
    return Lakehouse(settings)
