"""The application: what every request passes, and the routes behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from asgard_pipelines import __version__
from asgard_pipelines.api import envelope
from asgard_pipelines.api.access import Access
from asgard_pipelines.api.auditing import Auditing
from asgard_pipelines.api.bodies import JsonBodies
from asgard_pipelines.api.direct import DirectRoutes
from asgard_pipelines.api.documentation import router as documentation
from asgard_pipelines.api.feast_features import router as feast_features
from asgard_pipelines.api.feast_models import router as feast_models
from asgard_pipelines.api.feast_predictions import router as feast_predictions
from asgard_pipelines.api.feast_services import router as feast_services
from asgard_pipelines.api.feast_status import router as feast_status
from asgard_pipelines.api.features.applying import router as applying
from asgard_pipelines.api.features.downloads import router as downloads
from asgard_pipelines.api.features.historical import router as historical_features
from asgard_pipelines.api.features.materializing import router as materializing
from asgard_pipelines.api.features.online import router as online_features
from asgard_pipelines.api.features.platform import router as platform_features
from asgard_pipelines.api.features.pushing import router as pushing
from asgard_pipelines.api.features.registry import router as feature_registry
from asgard_pipelines.api.features.views import router as stored_views
from asgard_pipelines.api.health import router as health
from asgard_pipelines.api.house import House
from asgard_pipelines.api.idempotency import Idempotency
from asgard_pipelines.api.loopback import LoopbackOnly
from asgard_pipelines.api.mlops_models import router as mlops_models
from asgard_pipelines.api.mlops_scripts import router as mlops_scripts
from asgard_pipelines.api.request_log import RequestLog
from asgard_pipelines.api.runs import router as runs
from asgard_pipelines.settings import Settings

_ROUTERS = (
    health,
    documentation,
    feast_status,
    feast_features,
    feast_services,
    feast_models,
    feast_predictions,
    runs,
    mlops_models,
    mlops_scripts,
    stored_views,
    feature_registry,
    online_features,
    historical_features,
    applying,
    materializing,
    pushing,
    platform_features,
    downloads,
)
_ABOUT = """Gold tables in Iceberg to features, models and predictions.

The API declares, asks the graph to run, and reads results. What it starts is an ordinary run in Dagster, with
the same assets, lineage and checks. Every error has one shape; its `code` is stable.
"""

_CUT_OFF_SECONDS = 2.0


@asynccontextmanager
async def _started(app: FastAPI) -> AsyncIterator[None]:
    """Whoever was at work last may have died in the midst of it."""
    telling = asyncio.create_task(app.state.house.catch_up())
    yield
    if cut_off := [task for task in asyncio.all_tasks() if task.cancelling()]:
        await asyncio.wait(cut_off, timeout=_CUT_OFF_SECONDS)  # else uvicorn ends before they are answered
    telling.cancel()
    app.state.house.held_reads.leave_loop()
    await run_in_threadpool(app.state.house.close)


class _Application(FastAPI):
    """FastAPI, but for the routes that are answered without it."""

    direct_routes: DirectRoutes

    def build_middleware_stack(self) -> ASGIApp:
        stack = super().build_middleware_stack()
        self.direct_routes = DirectRoutes(self, stack, self.state.house.settings)
        return stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        answer = self.direct_routes.route(scope) or super().__call__
        await answer(scope, receive, send)


def create_app(settings: Settings) -> FastAPI:
    """The REST API over the house of `settings`.

    Raises:
        InvalidSettings: without tokens, where other machines could reach it.
    """
    settings.require_tokens_beyond_loopback()
    app = _Application(
        title="Asgard",
        version=__version__,
        description=_ABOUT,
        openapi_url=None,  # ours asks for a token
        lifespan=_started,
    )
    app.state.house = House(settings)
    envelope.install(app)
    for router in _ROUTERS:
        app.include_router(router, responses={"default": {"model": envelope.ErrorEnvelope}})
    # The last one added is the first that a request meets.
    app.add_middleware(Auditing, settings=settings)
    app.add_middleware(Idempotency, settings=settings)
    app.add_middleware(JsonBodies, limit_bytes=settings.body_limit)
    app.add_middleware(Access, settings=settings)
    if settings.auth == "off":
        app.add_middleware(LoopbackOnly)
    app.add_middleware(RequestLog, on_answer=app.state.house.metrics.observe)
    return app
