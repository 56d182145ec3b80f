"""What a request may carry: JSON, strictly, and not too much of it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson
from pydantic_core import from_json
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgard_pipelines.api.headers import header
from asgard_pipelines.errors import Invalid, PayloadTooLarge

_LENGTH = re.compile(r"[0-9]{1,18}")


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
        self.app, self._limit = app, limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self.app(scope, receive, send)
            return
        if header(scope, b"content-type") != "application/json":
            MutableHeaders(scope=scope)["content-type"] = "application/json"
        body = await self.read(scope, receive)
        sent = False

        async def again() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, again, send)

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """The body, which stands in `scope` then. Raises as said above."""
        first = await receive()
        body: bytes = first.get("body", b"")
        if first["type"] != "http.request" or first.get("more_body") or len(body) > self._limit:
            body = await self._all(scope, first, receive)
        scope["body"] = body
        scope["json"] = _read_json(body) if body else None
        return body

    async def _all(self, scope: Scope, message: Message, receive: Receive) -> bytes:
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
        _require_finite(body)
        return read
    except ValueError as error:
        problem = f"the body is no JSON: {error}"
        raise Invalid(f"{problem}.", problems=[{"field": "", "message": problem}]) from None


def _require_finite(body: bytes) -> None:
    """Raises ValueError: a number is larger than a float can be, which `from_json` takes for an endless
    one. Another reader that refuses it is quicker than any look at each number."""
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        json.loads(body, parse_float=_finite)


def _finite(text: str) -> float:
    if math.isfinite(number := float(text)):
        return number
    raise ValueError("number out of range")
