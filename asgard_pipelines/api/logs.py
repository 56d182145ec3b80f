"""The server's log: one JSON document a line, and in none of them what a caller sent."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from asgard_pipelines.api.context import request_id

_UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access")
_OURS = ("asgard", "asgard_pipelines", "uvicorn")
"""These tell what goes on; libraries only warn: what they chat may hold an address or a query."""


class JsonLines(logging.Formatter):
    """`time`, `level`, `logger`, `message`, `request_id`, what `extra={"fields": …}` adds, and `error`; with
    `extra={"lines": […]}` a line for each of these, with what it adds.

    An error is told by its type and the lines it came through. Its words are left out: a library's words
    may hold what a caller sent, or an address with its password.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": instant(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if number := request_id():
            line["request_id"] = number
        line |= record.__dict__.get("fields", {})
        if record.exc_info and record.exc_info[1]:
            line["error"] = _told(record.exc_info[1])
        return "\n".join([_json(line | more) for more in record.__dict__.get("lines", ({},))])


def _json(line: dict[str, Any]) -> str:
    try:
        return orjson.dumps(line, default=str).decode()
    except orjson.JSONEncodeError:  # half a character, or a number that is too long
        return json.dumps(line, default=str)


def instant(seconds: float) -> str:
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03}+00:00"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def install() -> None:
    """Every logger of this process writes such lines to stderr. Uvicorn lists no requests: ours does."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(logging.INFO)
    for name in _UVICORN:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    access = logging.getLogger("uvicorn.access")
    access.disabled, access.propagate = True, False  # else uvicorn puts its line together all the same


def _told(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    told: dict[str, Any] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "lines": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if cause := error.__cause__ or error.__context__:
        told["cause"] = _told(cause)
    return told
