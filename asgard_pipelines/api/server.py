"""What uvicorn serves: `uvicorn --factory asgard_pipelines.api.server:application`."""

from __future__ import annotations

import logging

from fastapi import FastAPI

from asgard_pipelines.api.app import create_app
from asgard_pipelines.settings import Settings


def application() -> FastAPI:
    """The API of this process's settings, logging one JSON line a request to stderr."""
    requests = logging.getLogger("asgard.requests")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    requests.addHandler(handler)
    requests.setLevel(logging.INFO)
    requests.propagate = False
    return create_app(Settings.read())
