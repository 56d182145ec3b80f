"""A world for the tests of the client, one for each file: it stands in the environment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asgard_pipelines_tests.client.world import World, served_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served_world(tmp_path_factory.mktemp("client")) as made:
        yield made
