"""The application: what every request passes, and the routes behind it."""

from __future__ import annotations

from fastapi import FastAPI

from asgard_pipelines import __version__
from asgard_pipelines.api import envelope
from asgard_pipelines.api.feast_features import router as feast_features
from asgard_pipelines.api.feast_status import router as feast_status
from asgard_pipelines.api.health import router as health
from asgard_pipelines.api.house import House
from asgard_pipelines.api.metrics import RequestMetrics
from asgard_pipelines.api.middleware import JsonBodies, LoopbackOnly, RequestLog
from asgard_pipelines.settings import Settings

_ROUTERS = (health, feast_status, feast_features)
_ABOUT = """Gold tables in Iceberg to features, models and predictions.

The API declares, asks the graph to run, and reads results. What it starts is an ordinary run in Dagster, with
the same assets, lineage and checks. Every error has one shape; its `code` is stable.
"""


def create_app(settings: Settings) -> FastAPI:
    """The REST API over the house of `settings`."""
    app = FastAPI(title="Asgard", version=__version__, description=_ABOUT)
    app.state.house = House(settings)
    app.state.metrics = RequestMetrics()
    envelope.install(app)
    for router in _ROUTERS:
        app.include_router(router, responses={"default": {"model": envelope.ErrorEnvelope}})
    # The last one added is the first that a request meets.
    app.add_middleware(JsonBodies, limit_bytes=settings.body_limit)
    if settings.auth == "off":
        app.add_middleware(LoopbackOnly)
    app.add_middleware(RequestLog, on_answer=app.state.metrics.observe)
    return app
