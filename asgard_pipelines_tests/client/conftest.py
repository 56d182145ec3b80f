"""One world for all tests of the client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asgard_pipelines_tests.client.world import World, served_world


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served_world(tmp_path_factory.mktemp("client")) as made:
        yield made
