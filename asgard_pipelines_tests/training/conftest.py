"""A lakehouse that holds the accounts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.training.world import accounts


@pytest.fixture
def lakehouse(settings: Settings) -> Lakehouse:
    """Holds `gold.accounts`."""
    house = Lakehouse(settings)
    house.append("gold.accounts", accounts(), key="accounts")
    return house


@pytest.fixture
def pins(lakehouse: Lakehouse) -> Callable[[], dict[str, Pin]]:
    """The accounts as they are now."""
    return lambda: {"gold.accounts": lakehouse.pin("gold.accounts")}
