"""`POST /api/v1/features/push-features`: rows that are online, and durable, when they are acknowledged."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from asgard_pipelines.api.access import bearer, needs
from asgard_pipelines.api.direct import JsonBytes, direct
from asgard_pipelines.api.features.bodies import PushFeaturesBody
from asgard_pipelines.api.house import House

router = APIRouter(prefix="/api/v1/features", tags=["feature store"], dependencies=[Depends(bearer)])
_AT_ONCE = 20
"""So many records are checked in less time than another thread needs to come to it."""


class PushedRecordNote(BaseModel):
    """`record` counts from 0; `field` is the feature or key that it is about."""

    record: int
    field: str
    message: str


class PushedFeatures(BaseModel):
    """What was accepted survives a crash, and is online. `errors` are on the records that were rejected, each
    for itself, `warnings` on some that were accepted."""

    push_id: str
    accepted: int
    rejected: int
    errors: list[PushedRecordNote]
    warnings: list[PushedRecordNote]
    processing_time_ms: float


# A push is on record by itself, in the log of pushes; the audit log holds what changes the house.
@router.post("/push-features", response_model=PushedFeatures)
@direct
async def push_features(
    body: PushFeaturesBody,
    request: Request,
    _: Annotated[str, Depends(needs("features:write", changes=False))],
) -> Response:
    """Put rows online at once, and into the view's table with the next flush. The newest event time wins,
    whatever the order in which they come."""
    began = time.perf_counter()
    house: House = request.app.state.house
    declarations = await house.held_reads.declarations()
    push_id = body.push_id or request.scope.get("request_key")
    asked = (declarations, body.push_source_name, body.features, push_id)
    if len(body.features) <= _AT_ONCE:
        waiting = house.pushes.submit(*asked)
    else:
        waiting = await run_in_threadpool(house.pushes.submit, *asked)
    done = await asyncio.wrap_future(waiting)
    answer = asdict(done)
    answer["processing_time_ms"] = round((time.perf_counter() - began) * 1000, 3)
    return JsonBytes(orjson.dumps(answer))
