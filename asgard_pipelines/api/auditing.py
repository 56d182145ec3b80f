"""Every changing request is written down before it is answered: who did what, and how it went."""

from __future__ import annotations

import json
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgard_pipelines.api.context import request_id
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import record_act

_NAMING = ("name", "prediction_id", "model_id", "model_name", "job_id")
"""Fields of a body by which it says what it is about, the most telling first."""
_LONGEST_NAME = 200


class Auditing:
    """Records the requests that a route's `needs` calls changing, the refused ones too."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and scope.get("changes"):
                await run_in_threadpool(self._record, scope, message["status"])
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception:
            if scope.get("changes"):  # what it did until then stays done
                await run_in_threadpool(self._record, scope, 500)
            raise

    def _record(self, scope: Scope, status: int) -> None:
        record_act(
            self._settings,
            principal=scope["principal"],
            method=scope["method"],
            route=scope["route"].path,
            subject=_subject(scope),
            status=status,
            request_id=request_id(),
        )


def _subject(scope: Scope) -> str | None:
    """What it is about: named in the path, else in the body."""
    if scope.get("path_params"):
        return "/".join(str(value) for value in scope["path_params"].values())[:_LONGEST_NAME]
    body: Any = json.loads(scope.get("body") or b"null")
    if not isinstance(body, dict):
        return None
    names = (body[field] for field in _NAMING if isinstance(body.get(field), str))
    return next((name[:_LONGEST_NAME] for name in names), None)
