"""Routes that are asked so often that what FastAPI does for each request would cost more than they do.

They are declared like all others, stand in the OpenAPI, and could be called by FastAPI; only that here they
are found by their path in one look, and their body is read by a schema that was compiled once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from asgard_pipelines.api.envelope import as_invalid, of_asgard
from asgard_pipelines.api.headers import header
from asgard_pipelines.errors import AsgardError
from asgard_pipelines.settings import Settings

Endpoint = Callable[[Any, Request, str], Awaitable[Response]]
"""Body, request, principal."""
_JSON = (b"content-type", b"application/json")
_MISSING = {"loc": (), "type": "missing", "msg": "Field required"}


class JsonBytes(Response):
    """An answer that is JSON already."""

    def __init__(self, body: bytes) -> None:
        self.body, self.status_code, self.background = body, 200, None
        self.raw_headers = [_JSON, (b"content-length", b"%d" % len(body))]


def direct(endpoint: Endpoint) -> Endpoint:
    """Marks an asynchronous POST route without parameters, with a body and a `needs`, in this order, that
    changes nothing of what is audited."""
    endpoint.__dict__["direct"] = True
    return endpoint


class DirectRoutes:
    """Answers the marked routes of `application`, once they have passed everything that stands before it; the
    rest is FastAPI's, and so is what comes with an `Idempotency-Key`."""

    def __init__(self, app: ASGIApp, application: FastAPI, settings: Settings) -> None:
        self._app = app
        self._routes = {str(one.path): _DirectRoute(one, settings) for one in _marked(application)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get(scope["path"]) if scope.get("method") == "POST" else None
        if route is None or header(scope, b"idempotency-key") is not None:
            await self._app(scope, receive, send)
        else:
            await route(scope, receive, send)


class _DirectRoute:
    def __init__(self, route: Any, settings: Settings) -> None:
        self.path = str(route.path)
        """Where `RequestLog` and `Auditing` look for it, in `scope["route"]`."""
        self._endpoint: Endpoint = route.endpoint
        calls = [one.call.__dict__ for one in route.dependant.dependencies if hasattr(one.call, "__dict__")]
        [needed] = [call for call in calls if "admit" in call]
        assert not needed["changing"], f"{self.path} would have to be audited"
        self._admit = needed["admit"]
        [body] = route.dependant.body_params
        self._read = TypeAdapter(body.field_info.annotation).validator.validate_python
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        try:
            principal = self._admit(scope, self._settings)
            answer = await self._endpoint(self._body(scope), Request(scope, receive), principal)
        except AsgardError as error:
            answer = of_asgard(error)
        await answer(scope, receive, send)

    def _body(self, scope: Scope) -> Any:
        """Raises Invalid."""
        if not scope["body"]:
            raise as_invalid([_MISSING])
        try:
            return self._read(scope["json"], from_attributes=True)  # as FastAPI does
        except ValidationError as error:
            raise as_invalid(error.errors(include_url=False)) from None


def direct_paths(application: FastAPI) -> frozenset[str]:
    return frozenset(str(context.path) for context in _marked(application))


def _marked(application: FastAPI) -> Iterator[Any]:
    for context in iter_route_contexts(application.routes):
        if isinstance(context.original_route, APIRoute) and "direct" in context.endpoint.__dict__:
            yield context
