"""`/docs` and `/openapi.json`: what can be asked, for people and for programs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse

from asgard_pipelines.api.access import needs

OPENAPI = "/openapi.json"
Reader = Annotated[str, Depends(needs("docs"))]
router = APIRouter(include_in_schema=False)


@router.get(OPENAPI)
def openapi(request: Request, _: Reader) -> dict[str, Any]:
    """Every route, body and answer."""
    schema: dict[str, Any] = request.app.openapi()
    return schema


@router.get("/docs", response_class=HTMLResponse)
def docs(request: Request, _: Reader) -> HTMLResponse:
    """The same as a page that can be tried."""
    return get_swagger_ui_html(openapi_url=OPENAPI, title=request.app.title)
