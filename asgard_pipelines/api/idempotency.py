"""`Idempotency-Key`: a changing request that is sent again is answered as it was the first time."""

from __future__ import annotations

import hashlib
import re

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgard_pipelines.api.headers import header
from asgard_pipelines.errors import Invalid
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import RequestKey, StoredAnswer, begin_request, drop_request, keep_answer

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT_HEADERS = ("content-type", "location")


class Idempotency:
    """Keeps what changed something and went well, before it is sent; anything else may be tried again.

    A route finds `scope["request_key"]`, the same for every try of a request, to know by it the work that
    an earlier try began.

    Raises:
        Invalid: the header holds no key.
        Conflict: the key came with another request before, or that request is still at work.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = header(scope, b"idempotency-key") if scope["type"] == "http" else None
        if sent is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if not _KEY.fullmatch(sent):
            raise Invalid("An Idempotency-Key is 1 to 255 printable ASCII characters without spaces.")
        key = RequestKey(principal=scope["principal"], key=sent, fingerprint=_fingerprint(scope))
        before = await run_in_threadpool(begin_request, self._settings, key)
        if before is not None:
            await _again(before)(scope, receive, send)
            return
        scope["request_key"] = key.digest
        answer = _Kept(self._settings, key, scope, send)
        try:
            await self._app(scope, receive, answer.send)
        finally:
            await answer.give_up()


class _Kept:
    """An answer on its way: nobody hears it before it is kept, or, where it is not to be, before the request
    may be tried again."""

    def __init__(self, settings: Settings, key: RequestKey, scope: Scope, send: Send) -> None:
        self._settled = False
        self._settings, self._key, self._scope, self._send = settings, key, scope, send
        self._start: Message = {}
        self._chunks: list[bytes] = []

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        if not (200 <= self._start["status"] < 300 and self._scope.get("changes")):
            await self.give_up()
            await self._send(message)
            return
        if message["type"] == "http.response.body":
            self._chunks.append(message.get("body", b""))
            if not message.get("more_body"):
                answer = self._answer()
                await run_in_threadpool(keep_answer, self._settings, self._key, answer)
                self._settled = True
                await self._send(self._start)
                await self._send({"type": "http.response.body", "body": answer.body})

    async def give_up(self) -> None:
        """The request may be tried again, unless its answer was kept."""
        if not self._settled:
            self._settled = True
            await run_in_threadpool(drop_request, self._settings, self._key)

    def _answer(self) -> StoredAnswer:
        headers = Headers(raw=self._start["headers"])
        return StoredAnswer(
            status=self._start["status"],
            headers={name: headers[name] for name in _KEPT_HEADERS if name in headers},
            body=b"".join(self._chunks),
        )


def _again(answer: StoredAnswer) -> Response:
    return Response(answer.body, answer.status, {**answer.headers, "Idempotent-Replayed": "true"})


def _fingerprint(scope: Scope) -> str:
    parts = [scope["method"].encode(), scope["path"].encode(), scope["query_string"], scope["body"]]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
