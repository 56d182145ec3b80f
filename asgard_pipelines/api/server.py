"""What uvicorn serves: `uvicorn --factory asgard_pipelines.api.server:application`."""

from __future__ import annotations

from fastapi import FastAPI

from asgard_pipelines.api import logs
from asgard_pipelines.api.app import create_app
from asgard_pipelines.settings import Settings


def application() -> FastAPI:
    """The API of this process's settings, logging one JSON line a request to stderr."""
    logs.install()
    return create_app(Settings.read())
