"""The one shape of every error: `{"error": {"code", "message", "details", "request_id"}}`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from asgard_pipelines.api.context import request_id
from asgard_pipelines.errors import AsgardError, Invalid

RETRY_AFTER_SECONDS = 5
_CODES = {400: "VALIDATION_ERROR", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}
_log = logging.getLogger(__name__)


class ErrorBody(BaseModel):
    code: str
    message: str
    details: dict[str, Any]
    request_id: str


class ErrorEnvelope(BaseModel):
    error: ErrorBody


def answer_error(
    status: int, code: str, message: str, details: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> JSONResponse:
    body = ErrorEnvelope(
        error=ErrorBody(
            code=code, message=message, details=jsonable_encoder(dict(details)), request_id=request_id()
        )
    )
    sent = {"X-Request-Id": request_id(), **(headers or {})}
    if status in (429, 503):
        sent.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return JSONResponse(body.model_dump(), status, sent)


def of_asgard(error: AsgardError) -> JSONResponse:
    """Its details may say after how many seconds to ask again: `retry_after_seconds`."""
    if error.status >= 500:
        _log.error("%s: %s", error.code, error.message, exc_info=error)
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    if wait := error.details.get("retry_after_seconds"):
        headers["Retry-After"] = str(wait)
    return answer_error(error.status, error.code, error.message, error.details, headers)


def answer_to(error: Exception) -> JSONResponse:
    """The answer to an error that no route and no handler has answered; an unexpected one is logged."""
    if isinstance(error, AsgardError):
        return of_asgard(error)
    _log.error("unexpected error", exc_info=error)
    text = "Something went wrong here. The server's log has the details under this request id."
    return answer_error(500, "INTERNAL_ERROR", text, {})


def install(app: FastAPI) -> None:
    """Makes every error of a route an envelope; what goes wrong around them, `RequestLog` answers."""

    @app.exception_handler(AsgardError)
    async def asgard(_request: Request, error: AsgardError) -> JSONResponse:
        return of_asgard(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return of_asgard(as_invalid(error.errors()))

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "ERROR")
        return answer_error(error.status_code, code, str(error.detail), {}, error.headers)


def as_invalid(errors: Sequence[Any]) -> Invalid:
    """Of pydantic's errors: the first one's words, and all of them by field."""
    problems = _problems(errors)
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    place = f"{first['field']}: " if first["field"] else ""
    return Invalid(f"{place}{first['message']}{more}", problems=problems)


def _problems(errors: Sequence[Any]) -> list[dict[str, str]]:
    found = []
    for one in errors:
        path = [str(part) for part in one["loc"] if part not in ("body", "query", "path", "header")]
        message = str(one["msg"]).removeprefix("Value error, ")
        if one["type"] == "extra_forbidden":
            message = "there is no such field"
        if one["type"] == "json_invalid":
            path, message = [], f"the body is no JSON: {one['ctx']['error']}"
        found.append({"field": ".".join(path), "message": message})
    return found
