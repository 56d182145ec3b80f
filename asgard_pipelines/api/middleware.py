"""What every request passes first: an id, a log line, a limit on its body, a guard against web pages."""

from __future__ import annotations

import ipaddress
import json
import logging
import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgard_pipelines.api.context import set_request_id
from asgard_pipelines.api.envelope import answer_error

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = logging.getLogger("asgard.requests")
OnAnswer = Callable[[str, str, int, float], None]
"""Method, route (its template), status, seconds."""


class RequestLog:
    """Gives each request an id (the client's `X-Request-Id`, where it is a plain one) and a JSON log line.

    Neither query nor headers are logged: they may hold what nobody should read.
    """

    def __init__(self, app: ASGIApp, on_answer: OnAnswer) -> None:
        self._app, self._on_answer = app, on_answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        number = given if _ID.fullmatch(given) else uuid4().hex
        set_request_id(number)
        began, status = time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = number
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", "unmatched")
            self._on_answer(scope["method"], route, status, seconds)
            line = {
                "request_id": number,
                "method": scope["method"],
                "route": route,
                "status": status,
                "milliseconds": round(seconds * 1000, 2),
                "principal": scope.get("principal"),
            }
            _log.info(json.dumps(line))


class JsonBodies:
    """A body is JSON whatever its header says (`curl -d` says it is a form), and no longer than the limit."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app, self._limit = app, limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        MutableHeaders(scope=scope)["content-type"] = "application/json"
        body = await self._read(scope, receive)
        if body is None:
            text = f"The body is longer than {self._limit} bytes."
            await answer_error(413, "PAYLOAD_TOO_LARGE", text, {"limit_bytes": self._limit})(
                scope, receive, send
            )
            return
        sent = False

        async def again() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body, None past the limit: read no further than that."""
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > self._limit:
            return None
        chunks, size = [], 0
        while True:
            message = await receive()
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > self._limit:
                return None
            if not message.get("more_body"):
                return b"".join(chunks)


class LoopbackOnly:
    """Where no token is asked for, a page in the user's browser must get nowhere.

    A `Host` that is not loopback (a name that was bound anew), an `Origin` of another place, or a
    request that the browser says comes from another site is 403.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (reason := _foreign(Headers(scope=scope))):
            await answer_error(403, "FORBIDDEN", reason, {})(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _foreign(headers: Headers) -> str | None:
    host = headers.get("host", "")
    if not _is_loopback(urlsplit(f"//{host}").hostname):
        return "Without tokens this server answers only to loopback: call it by 127.0.0.1 or localhost."
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        return "Requests from pages of another origin are refused."
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "Requests from pages of another site are refused."
    return None


def _is_loopback(name: str | None) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name or "").is_loopback
    except ValueError:
        return False
