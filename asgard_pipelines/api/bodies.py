"""What a request may carry: JSON, strictly, and not too much of it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from pydantic_core import from_json
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgard_pipelines.api.headers import header
from asgard_pipelines.errors import Invalid, PayloadTooLarge

_LENGTH = re.compile(r"[0-9]{1,18}")
_MAYBE_ENDLESS = re.compile(rb"[0-9](?:[eE]\+?[0-9]{3}|[0-9]{299})")
"""Only such a number can be larger than a float can be."""


class JsonBodies:
    """A body is JSON whatever its header says (`curl -d` says it is a form), and no longer than the limit.

    It is looked through before any route sees it: no NaN, nothing endless, nothing nested without end, no
    half characters. Who reads it again finds the bytes in `scope["body"]`, and
    what they say in `scope["json"]`.

    Raises:
        PayloadTooLarge: it is longer; no more than the limit was read.
        Invalid: it is no JSON.
    """

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app, self._limit = app, limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        if header(scope, b"content-type") != "application/json":
            MutableHeaders(scope=scope)["content-type"] = "application/json"
        first = await receive()
        if first["type"] == "http.request" and not first.get("more_body") and self._fits(scope, first):
            body = first.get("body", b"")
        else:
            body = await self._read(scope, first, receive)
        scope["body"] = body
        scope["json"] = _read_json(body) if body else None
        sent = False

        async def again() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)

    def _fits(self, scope: Scope, whole: Message) -> bool:
        """What came in one piece, and what was said of its length."""
        declared = header(scope, b"content-length") or ""
        if _LENGTH.fullmatch(declared) and int(declared) > self._limit:
            return False
        return len(whole.get("body", b"")) <= self._limit

    async def _read(self, scope: Scope, message: Message, receive: Receive) -> bytes:
        declared = header(scope, b"content-length") or ""
        if _LENGTH.fullmatch(declared) and int(declared) > self._limit:
            raise self._too_large()
        chunks, size = [], 0
        while True:
            if message["type"] == "http.disconnect":  # half a body is none
                raise ClientDisconnect
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > self._limit:
                raise self._too_large()
            if not message.get("more_body"):
                return b"".join(chunks)
            message = await receive()

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"The body is longer than {self._limit} bytes.", limit_bytes=self._limit)


def _read_json(body: bytes) -> Any:
    try:
        read = from_json(body, allow_inf_nan=False)
        if _MAYBE_ENDLESS.search(body):
            json.loads(body, parse_float=_finite)
        return read
    except ValueError as error:
        problem = f"the body is no JSON: {error}"
        raise Invalid(f"{problem}.", problems=[{"field": "", "message": problem}]) from None


def _finite(text: str) -> float:
    if math.isfinite(number := float(text)):
        return number
    raise ValueError("number out of range")
