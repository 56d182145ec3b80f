"""Every test here looks at a page in Chromium: `make test-ui` runs them, `make test` does not."""

from __future__ import annotations

import pytest

from asgard_pipelines_tests.graph.conftest import founded, shop

__all__ = ["founded", "shop"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "ui" in item.path.parts:
            item.add_marker(pytest.mark.ui)
