"""Whether the server lives, whether it can work, and its metrics."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from asgard_pipelines.api.access import bearer, needs
from asgard_pipelines.api.house import House
from asgard_pipelines.api.metrics import CONTENT_TYPE
from asgard_pipelines.errors import AsgardError, BackendUnavailable
from asgard_pipelines.state import made_revision

router = APIRouter(tags=["health"])


class Live(BaseModel):
    status: Literal["live"] = "live"


class Ready(BaseModel):
    status: Literal["ready"] = "ready"


@router.get("/health/live")
def live() -> Live:
    """The process answers. Needs no token, looks at nothing."""
    return Live()


@router.get("/health/ready")
def ready(request: Request) -> Ready:
    """The declarations compile, the catalog and the database of records answer; else 503. Needs no token."""
    house: House = request.app.state.house
    try:
        made_revision(house.settings)
        _ = house.declarations
        house.lakehouse.exists("health.none")
    except AsgardError as error:
        raise BackendUnavailable("Not ready: the server's log says why.", cause=error.code) from error
    return Ready()


@router.get("/metrics", response_class=Response, dependencies=[Depends(bearer)])
def metrics(request: Request, _: Annotated[str, Depends(needs("metrics"))]) -> Response:
    """In Prometheus's text format."""
    return Response(request.app.state.house.metrics.text(), media_type=CONTENT_TYPE)
