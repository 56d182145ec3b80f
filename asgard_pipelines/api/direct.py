"""Routes that are asked so often that what FastAPI does for each request would cost more than they do.

They are declared like all others, stand in the OpenAPI, and could be called by FastAPI; only that here they
are found by their path in one look, pass the same guards in one line instead of one within the other, and
their body is read by a schema that was compiled once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from asgard_pipelines.api.access import Access
from asgard_pipelines.api.bodies import JsonBodies
from asgard_pipelines.api.envelope import as_invalid
from asgard_pipelines.api.headers import header
from asgard_pipelines.api.loopback import LoopbackOnly, require_ours
from asgard_pipelines.api.request_log import GONE, RequestLog, begun, refusal, with_id
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
    """The marked routes of `application`, behind the guards in its `stack` of middleware. What comes with an
    `Idempotency-Key` is FastAPI's."""

    def __init__(self, application: FastAPI, stack: ASGIApp, settings: Settings) -> None:
        guards = {type(one): one for one in _layers(stack)}
        self._routes = {
            str(one.path): _DirectRoute(one, application, guards, settings) for one in _marked(application)
        }

    def route(self, scope: Scope) -> ASGIApp | None:
        """Who answers it, if one of them does."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return None
        route = self._routes.get(scope["path"])
        return None if route is None or header(scope, b"idempotency-key") is not None else route


class _DirectRoute:
    def __init__(
        self, route: Any, application: FastAPI, guards: Mapping[type[Any], Any], settings: Settings
    ) -> None:
        self.path = str(route.path)
        """Where the request's line in the log finds it, in `scope["route"]`."""
        self._endpoint: Endpoint = route.endpoint
        calls = [one.call.__dict__ for one in route.dependant.dependencies if hasattr(one.call, "__dict__")]
        [needed] = [call for call in calls if "admit" in call]
        assert not needed["changing"], f"{self.path} would have to be audited"
        self._admit = needed["admit"]
        [body] = route.dependant.body_params
        self._read = TypeAdapter(body.field_info.annotation).validator.validate_python
        self._application, self._settings = application, settings
        self._log: RequestLog = guards[RequestLog]
        self._access: Access = guards[Access]
        self._bodies: JsonBodies = guards[JsonBodies]
        self._only_loopback = LoopbackOnly in guards

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        number, began = begun(scope), time.perf_counter()
        scope["route"], scope["app"] = self, self._application
        try:
            answer = await self._answer(scope, receive)
        except ClientDisconnect:
            self._log.tell(scope, GONE, time.perf_counter() - began)
            return
        except (Exception, asyncio.CancelledError) as error:
            answer = refusal(error)
        try:
            headers = with_id(answer.raw_headers, number)
            await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body})
        finally:
            self._log.tell(scope, answer.status_code, time.perf_counter() - began)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        """As the guards' own `__call__` would have it, one within the other."""
        if self._only_loopback:
            require_ours(scope)
        await self._access.check(scope)
        await self._bodies.read(scope, receive)
        principal = self._admit(scope, self._settings)
        return await self._endpoint(self._body(scope), Request(scope, receive), principal)

    def _body(self, scope: Scope) -> Any:
        """Raises Invalid."""
        if not scope["body"]:
            raise as_invalid([_MISSING])
        try:
            return self._read(scope["json"], from_attributes=True)  # as FastAPI does
        except ValidationError as error:
            raise as_invalid(error.errors(include_url=False)) from None


def _layers(stack: Any) -> Iterator[Any]:
    """What stands one within the other."""
    while stack is not None:
        yield stack
        stack = getattr(stack, "app", None)


def _marked(application: FastAPI) -> Iterator[Any]:
    for context in iter_route_contexts(application.routes):
        if isinstance(context.original_route, APIRoute) and "direct" in context.endpoint.__dict__:
            yield context
