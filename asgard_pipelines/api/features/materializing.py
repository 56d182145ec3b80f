"""`POST /api/v1/features/materialize` and how it goes: views brought online by a run of the graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from asgard_pipelines.api.access import bearer, needs
from asgard_pipelines.api.features.bodies import MaterializeBody
from asgard_pipelines.api.house import House
from asgard_pipelines.declarations import Declarations
from asgard_pipelines.errors import BackendUnavailable, Invalid, NotFound

if TYPE_CHECKING:
    from asgard_pipelines.features.materialization import MaterializationPlan, Window

router = APIRouter(prefix="/api/v1/features", tags=["feature store"], dependencies=[Depends(bearer)])
_STATUS = "/api/v1/features/materialization-status/"
Status = Literal["queued", "in_progress", "completed", "failed", "cancelled"]


class MaterializedRange(BaseModel):
    """Both null: what has changed since the last time."""

    start: datetime | None
    end: datetime | None


class PlannedView(BaseModel):
    """`whole`, `difference` or `window`, and what its data files hold; `reason` says why."""

    feature_view: str
    kind: str
    files: int
    rows: int
    bytes: int
    keys_at_most: int
    reason: str


class AskedMaterialization(BaseModel):
    """The estimates are of the tables' metadata: the rows of the files that will be read."""

    materialization_id: str
    status: Literal["in_progress"] = "in_progress"
    feature_views: list[str]
    time_range: MaterializedRange
    estimated_rows: int
    estimated_duration_seconds: int
    progress_url: str
    run_id: str
    plan: list[PlannedView]


class MaterializationProgress(BaseModel):
    """Times are UTC. `rows_skipped`: what is online already is newer."""

    materialization_id: str
    status: Status
    rows_materialized: int
    duration_seconds: float | None
    completed_at: datetime | None
    errors: list[str]
    feature_views: list[str]
    time_range: MaterializedRange
    rows_read: int
    rows_skipped: int
    asked_at: datetime
    started_at: datetime | None
    run_id: str


@router.post("/materialize", status_code=202)
def materialize_features(
    body: MaterializeBody,
    request: Request,
    response: Response,
    author: Annotated[str, Depends(needs("features:write"))],
) -> AskedMaterialization:
    """Bring views online, in an ordinary run of the graph. Without dates what has changed since the last
    time; with dates the rows of that window, none of which makes an online value older."""
    house: House = request.app.state.house
    declarations = house.declarations
    if body.project is not None and body.project != declarations.project:
        raise NotFound(
            f"There is no project '{body.project[:200]}' here: this is '{declarations.project}'.",
            project=declarations.project,
        )
    window = _window(body)
    plans = _plans(house, declarations, body.feature_views, window)
    house.runs.require_running()
    asked, run_id = _asked(house, declarations, body, author, request.scope.get("request_key"))
    response.headers["Location"] = f"{_STATUS}{asked}"
    return AskedMaterialization(
        materialization_id=asked,
        feature_views=body.feature_views,
        time_range=MaterializedRange(start=body.start_date, end=body.end_date),
        estimated_rows=sum(plan.rows for plan in plans),
        estimated_duration_seconds=math.ceil(sum(plan.seconds for plan in plans)),
        progress_url=f"{_STATUS}{asked}",
        run_id=run_id,
        plan=[PlannedView(feature_view=plan.view, **plan.model_dump()) for plan in plans],
    )


@router.get("/materialization-status/{materialization_id}")
def show_materialization(
    materialization_id: str, request: Request, _: Annotated[str, Depends(needs("features:read"))]
) -> MaterializationProgress:
    """How a materialization that was asked for goes."""
    house: House = request.app.state.house
    found = house.runs.materialization(materialization_id)
    return MaterializationProgress(
        materialization_id=found.materialization_id,
        status="in_progress" if found.status == "running" else found.status,
        rows_materialized=found.rows_written,
        duration_seconds=found.seconds,
        completed_at=found.ended_at if found.status == "completed" else None,
        errors=found.errors,
        feature_views=found.views,
        time_range=MaterializedRange(start=found.window_start, end=found.window_end),
        rows_read=found.rows_read,
        rows_skipped=found.rows_skipped,
        asked_at=found.asked_at,
        started_at=found.started_at,
        run_id=found.run_id,
    )


def _asked(
    house: House, declarations: Declarations, body: MaterializeBody, author: str, key: str | None
) -> tuple[str, str]:
    """Its id and its run's. What an earlier try of the same request asked for is not asked for again."""
    from asgard_pipelines.graph import new_materialization_id

    asked = f"mat_{key}" if key else new_materialization_id()
    if key:
        with suppress(NotFound):
            return asked, house.runs.materialization(asked).run_id
    what = (declarations, body.feature_views, _window(body), asked, author)
    try:
        return asked, house.runs.materialize(*what)
    except BackendUnavailable:  # Dagster may not have heard of these views yet
        house.runs.reload()
        return asked, house.runs.materialize(*what)


def _window(body: MaterializeBody) -> Window | None:
    """Raises Invalid."""
    if body.start_date is None and body.end_date is None:
        return None
    if body.start_date is None or body.end_date is None:
        raise Invalid("Give both `start_date` and `end_date`, or neither.", field="end_date")
    if body.end_date < body.start_date:
        raise Invalid("`end_date` is before `start_date`.", field="end_date")
    return body.start_date, body.end_date


def _plans(
    house: House, declarations: Declarations, views: Sequence[str], window: Window | None
) -> list[MaterializationPlan]:
    """Raises FeatureViewNotFound, TableNotFound."""
    from asgard_pipelines.features.materialization import plan_materialization

    return [
        plan_materialization(
            house.settings, house.lakehouse, declarations, declarations.view(name), window=window
        )
        for name in views
    ]
