"""Every test here runs real processes and kills them: `make faults` runs them, `make test` does not."""

from __future__ import annotations

import pytest

from asgard_pipelines_tests.graph.conftest import founded, shop

__all__ = ["founded", "shop"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "faults" in item.path.parts:
            item.add_marker(pytest.mark.faults)
