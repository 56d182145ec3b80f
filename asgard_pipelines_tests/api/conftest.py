"""Fixtures of the API's tests: an empty project, a table in it, and a client of the API over both."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from asgard_pipelines.api import create_app
from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.graph import RunClient
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.project import init
from asgard_pipelines.settings import Settings

LOOPBACK = "http://127.0.0.1:8000"


@pytest.fixture
def house_settings(tmp_path: Path, empty_tracking: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An empty project with one table, `gold.customer_aggregates`."""
    init(tmp_path / "shop", empty=True)
    monkeypatch.setenv("ASGARD_REPO", str(tmp_path / "shop"))
    monkeypatch.setenv("ASGARD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    settings = Settings.read()
    settings.state_folder.mkdir()
    shutil.copy(empty_tracking, settings.state_folder / "mlflow.db")
    Lakehouse(settings).append("gold.customer_aggregates", _customers(), key="first")
    return settings


def _customers() -> pa.Table:
    return pa.table(
        {
            "customer_id": [1, 2],
            "total_orders": [3, 4],
            "total_spent": [1.0, 2.0],
            "updated_at": pa.array([datetime(2025, 1, 1)] * 2, pa.timestamp("us")),
        }
    )


@pytest.fixture
def app(house_settings: Settings) -> FastAPI:
    return create_app(house_settings)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """As a program on this machine calls it; what goes wrong inside is answered, not raised."""
    with TestClient(app, base_url=LOOPBACK, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def nobody_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster is taken to be there, so that requests are looked at to their end; it starts nothing."""

    def refuse(*_: object, **__: object) -> str:
        raise BackendUnavailable("Nothing is run here.")

    monkeypatch.setattr(RunClient, "require_running", lambda _: None)
    monkeypatch.setattr(RunClient, "reload", lambda _: None)
    monkeypatch.setattr(RunClient, "_launch", refuse)


@pytest.fixture
def view_body() -> dict[str, Any]:
    """What `POST /feast/features` takes."""
    return {
        "name": "customer_features",
        "entities": ["customer"],
        "features": [{"name": "total_orders", "dtype": "int64"}],
        "source": {"table_name": "customer_aggregates", "timestamp_field": "updated_at"},
    }
