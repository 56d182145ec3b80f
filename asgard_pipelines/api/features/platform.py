"""`/api/v1/features/pipeline-features`, `user-features`, `connector-features`: Asgard about itself, from the
online store like everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from asgard_pipelines.api.access import bearer, needs
from asgard_pipelines.api.direct import JsonBytes, direct
from asgard_pipelines.api.features.bodies import MOST_KEYS, References
from asgard_pipelines.api.features.held_reads import Asked
from asgard_pipelines.api.features.online import Status, keyed, timed_read
from asgard_pipelines.api.house import House
from asgard_pipelines.declarations import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

router = APIRouter(prefix="/api/v1/features", tags=["feature store"], dependencies=[Depends(bearer)])
Reader = Annotated[str, Depends(needs("features:read"))]
Ids = Annotated[list[Annotated[str, Field(max_length=1_000)]], Field(max_length=MOST_KEYS)]


def _example(ids: str, id_: str, feature: str) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [{ids: [id_], "features": [feature]}]})


class PipelineFeaturesBody(Record):
    """Without `features`: all of them."""

    model_config = _example("pipeline_ids", "gold/customers", "pipeline:success_rate_7d")

    pipeline_ids: Ids
    features: References | None = None


class UserFeaturesBody(Record):
    """Without `features`: all of them."""

    model_config = _example("user_ids", "mira", "user:pipelines_executed_30d")

    user_ids: Ids
    features: References | None = None


class ConnectorFeaturesBody(Record):
    """Without `features`: all of them."""

    model_config = _example("connector_ids", "catalog", "connector:uptime_percentage_7d")

    connector_ids: Ids
    features: References | None = None


class PlatformFeatures(BaseModel):
    """Id -> feature -> value; of an unknown id they are null."""

    features: dict[str, dict[str, Any]]
    statuses: dict[str, dict[str, Status]]


@router.post("/pipeline-features", response_model=PlatformFeatures)
@direct
async def get_pipeline_features(body: PipelineFeaturesBody, request: Request, _: Reader) -> Response:
    """How jobs and assets did: their runs of the last 7 days."""
    return await _answer(request, "pipeline", body.pipeline_ids, body.features)


@router.post("/user-features", response_model=PlatformFeatures)
@direct
async def get_user_features(body: UserFeaturesBody, request: Request, _: Reader) -> Response:
    """What principals declared and ran in the last 30 days."""
    return await _answer(request, "user", body.user_ids, body.features)


@router.post("/connector-features", response_model=PlatformFeatures)
@direct
async def get_connector_features(body: ConnectorFeaturesBody, request: Request, _: Reader) -> Response:
    """How the services that Asgard stands on answered in the last 7 days."""
    return await _answer(request, "connector", body.connector_ids, body.features)


async def _answer(
    request: Request, entity: str, ids: Sequence[str], features: Sequence[str] | None
) -> Response:
    """Raises FeatureViewNotFound: the repo does not import the platform's views."""
    house: House = request.app.state.house
    view = f"{entity}_features"
    asked = features
    if not asked:
        declared = (await house.held_reads.declarations()).view(view)
        asked = [f"{view}:{name}" for name in declared.feature_names]
    entities = {f"{entity}_id": list(ids)}
    answer = await timed_read(request, Asked(None, tuple(asked), full_names=False), entities)
    found, told = keyed([orjson.dumps(one) for one in ids], answer)
    return JsonBytes(b'{"features":{%b},"statuses":{%b}}' % (found, told))
