"""An empty project for tests, as `asgard init --empty` leaves it, with a home of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asgard_pipelines.project import init
from asgard_pipelines.settings import Settings

PLATFORM = ["connector_features", "pipeline_features", "user_features"]
"""The views that stand in it."""


@contextmanager
def empty_project(folder: Path, name: str = "shop", **variables: str) -> Iterator[Settings]:
    """Its settings; they, and `variables`, stand in the environment as long as it lasts; `name` is the
    project's."""
    init(folder / name, empty=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ASGARD_REPO", str(folder / name))
        environment.setenv("ASGARD_HOME", str(folder / "home"))
        environment.setenv("DAGSTER_HOME", str(folder / "home" / "dagster"))
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        for variable, value in variables.items():
            environment.setenv(variable, value)
        yield Settings.read()
