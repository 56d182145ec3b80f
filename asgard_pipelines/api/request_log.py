"""What every request passes first: an id, one line in the log, and an answer whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterable
from secrets import token_hex
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgard_pipelines.api.context import request_id, set_request_id
from asgard_pipelines.api.envelope import answer_to
from asgard_pipelines.api.headers import header
from asgard_pipelines.api.logs import instant
from asgard_pipelines.errors import BackendUnavailable

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_STOPPING = "The server stops: send it again. With the same Idempotency-Key nothing is done twice."
GONE = 499
"""In the log only: the caller hung up before all was said."""
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_log = logging.getLogger("asgard.requests")
_RECORD = logging.LogRecord(_log.name, logging.INFO, "", 0, "answered", (), None).__dict__
"""Of each line: who makes a record anew asks for thread, process and file, which no line tells."""
OnAnswer = Callable[[str, str, int, float], None]
"""Method, route (its template), status, seconds."""


class RequestLog:
    """Gives each request an id (the client's `X-Request-Id`, where it is a plain one) and a line.

    Neither query nor headers nor body are logged: they may hold what nobody should read.
    """

    def __init__(self, app: ASGIApp, on_answer: OnAnswer) -> None:
        self.app, self._on_answer = app, on_answer
        self._lines: list[dict[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        number = begun(scope)
        began, status, ended = time.perf_counter(), 0, 0.0

        async def answer(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = with_id(message["headers"], number)
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                ended = time.perf_counter()  # what is done after the answer nobody waits for

        try:
            await self.app(scope, receive, answer)
        except ClientDisconnect:
            status = GONE
        except (Exception, asyncio.CancelledError) as error:
            if not status:
                await refusal(error)(scope, receive, answer)
            elif not ended:  # too late to say so: the connection breaks off
                raise
        finally:
            self.tell(scope, status or 500, (ended or time.perf_counter()) - began)

    def tell(self, scope: Scope, status: int, seconds: float) -> None:
        # No caller can make new series of figures: not by a path, and not by a method.
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "unmatched")
        self._on_answer(method, route, status, seconds)
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write)
        self._lines.append(
            {
                "time": instant(time.time()),
                "request_id": request_id(),
                "method": method,
                "route": route,
                "status": status,
                "milliseconds": round(seconds * 1000, 2),
                "principal": scope.get("principal"),
            }
        )

    def _write(self) -> None:
        """The lines of all that were answered in one turn of the loop, by one record: for each its own takes
        five times as long."""
        lines, self._lines = self._lines, []
        if _log.isEnabledFor(logging.INFO):
            record = logging.LogRecord.__new__(logging.LogRecord)
            record.__dict__.update(_RECORD, created=time.time(), lines=lines)
            _log.handle(record)


def refusal(error: BaseException) -> Response:
    """The answer instead. A task is cancelled when the server stops, and has waited for it."""
    return answer_to(error if isinstance(error, Exception) else BackendUnavailable(_STOPPING))


def begun(scope: Scope) -> str:
    """The request's id, from now on known to all that is done for it."""
    given = header(scope, b"x-request-id")
    number = given if given and _ID.fullmatch(given) else token_hex(16)
    set_request_id(number)
    return number


def with_id(headers: Iterable[tuple[bytes, bytes]], number: str) -> list[tuple[bytes, bytes]]:
    made = [(b"x-request-id", number.encode("ascii"))]
    made += [one for one in headers if one[0] != b"x-request-id"]
    return made
