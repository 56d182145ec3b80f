"""`/feast/runs`: how a run goes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from asgard_pipelines.api.access import bearer, needs
from asgard_pipelines.api.house import House

router = APIRouter(prefix="/feast/runs", tags=["runs"], dependencies=[Depends(bearer)])


class AssetOfRun(BaseModel):
    asset: str
    """Its key in Dagster."""
    status: Literal["done", "failed", "open"]


class FailureOfRun(BaseModel):
    asset: str
    code: str
    """That of an error; INTERNAL_ERROR for what nobody foresaw: Dagster's page of the run says more."""
    message: str
    details: dict[str, Any]


class ShownRun(BaseModel):
    """Times are UTC."""

    run_id: str
    status: Literal["queued", "running", "completed", "failed", "cancelled"]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    assets: list[AssetOfRun]
    failures: list[FailureOfRun]


@router.get("/{run_id}")
def get_run(run_id: str, request: Request, _: Annotated[str, Depends(needs("features:read"))]) -> ShownRun:
    """One run of the graph, whoever asked for it."""
    house: House = request.app.state.house
    state = house.runs.state(run_id)
    done, failed = set(state.done), {failure.asset for failure in state.failures}
    return ShownRun(
        run_id=state.run_id,
        status=state.status,
        created_at=state.asked_at,
        started_at=state.started_at,
        ended_at=state.ended_at,
        assets=[
            AssetOfRun(asset=one, status="failed" if one in failed else "done" if one in done else "open")
            for one in state.assets
        ],
        failures=[
            FailureOfRun(
                asset=failure.asset,
                code=failure.code or "INTERNAL_ERROR",
                message=failure.message if failure.code else "It failed unexpectedly.",
                details=failure.details,
            )
            for failure in state.failures
        ],
    )
