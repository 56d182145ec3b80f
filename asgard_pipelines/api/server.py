"""What uvicorn serves: `uvicorn --factory asgard_pipelines.api.server:application`."""

from __future__ import annotations

import gc
import sys

from fastapi import FastAPI

from asgard_pipelines.api import logs
from asgard_pipelines.api.app import create_app
from asgard_pipelines.settings import Settings

_SWITCH_SECONDS = 0.0005
"""So long a thread may keep another one waiting. Pushes are written by a thread of their own, which hands
over and takes again several times: with Python's 5 ms, a busy event loop was most of what a sender waited."""


def application() -> FastAPI:
    """The API of this process's settings, logging one JSON line a request to stderr."""
    logs.install()
    app = create_app(Settings.read())
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()  # what was imported stays: going through it again and again was a tenth of a small read
    return app
