"""Fixtures that every room's tests share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from asgard_pipelines.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of the embedded profile, with a home of their own."""
    monkeypatch.setenv("ASGARD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Settings.read()


@pytest.fixture(scope="session")
def empty_tracking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that MLflow has set up once: it takes seconds."""
    from asgard_pipelines.models import ModelRegistry

    home = tmp_path_factory.mktemp("mlflow")
    ModelRegistry(Settings(home=home)).versions()
    return home / "mlflow.db"


@pytest.fixture
def tracked(settings: Settings, empty_tracking: Path) -> Settings:
    """The same settings, with MLflow's database set up already."""
    settings.state_folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(empty_tracking, settings.state_folder / "mlflow.db")
    return settings
