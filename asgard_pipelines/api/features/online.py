"""`POST /api/v1/features/online-features`: entities' newest features, at once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from pydantic_core import to_json
from starlette.responses import Response

from asgard_pipelines.api.access import bearer, needs
from asgard_pipelines.api.direct import JsonBytes, direct
from asgard_pipelines.api.features.bodies import OnlineFeaturesBody, Value
from asgard_pipelines.api.features.held_reads import Asked
from asgard_pipelines.api.features.shared_reads import RowsJson

if TYPE_CHECKING:
    from asgard_pipelines.api.house import House

router = APIRouter(prefix="/api/v1/features", tags=["feature store"], dependencies=[Depends(bearer)])
Status = Literal["FOUND", "NOT_FOUND", "EXPIRED"]


class OnlineMetadata(BaseModel):
    latency_ms: float
    features_count: int
    entities_count: int


class OnlineRow(BaseModel):
    entities: dict[str, Value]
    features: dict[str, Any]
    statuses: dict[str, Status]


class OnlineFeatures(BaseModel):
    """`features` and `statuses`: key -> feature -> value, status. Keys of several columns are no names: of
    these (and of views without keys) `results` is a list, one entry for each row that was asked, in that
    order, and the maps are empty. What is not found or expired is null; what is computed on demand is what
    its function makes of nulls, as in the offline join."""

    feature_service: str | None
    entities: dict[str, list[Value]]
    features: dict[str, dict[str, Any]]
    statuses: dict[str, dict[str, Status]]
    results: list[OnlineRow] | None = None
    metadata: OnlineMetadata


@router.post("/online-features", response_model=OnlineFeatures)
@direct
async def get_online_features(
    body: OnlineFeaturesBody, request: Request, _: Annotated[str, Depends(needs("features:read"))]
) -> Response:
    """The newest features of up to 10,000 entities, from the online store."""
    began = time.perf_counter()
    asked = Asked(body.feature_service, tuple(body.features or ()), body.full_feature_names)
    answer = await timed_read(request, asked, body.entities)
    told = b'%b"metadata":{"latency_ms":%.3f,"features_count":%d,"entities_count":%d}}'
    made = _answer(body, answer)
    milliseconds = (time.perf_counter() - began) * 1000
    return JsonBytes(told % (made, milliseconds, len(answer.names), len(answer.rows)))


async def timed_read(request: Request, asked: Asked, entities: Mapping[str, list[Any]]) -> RowsJson:
    """Entity or join key -> values, as columns.

    Raises:
        FeatureViewNotFound, ColumnNotFound, DeclarationNotFound, TypeMismatch, BackendUnavailable
        Invalid: what is asked is ambiguous, a view is not online, or the entities are others than its.
    """
    began = time.perf_counter()
    house: House = request.app.state.house
    held = house.held_reads
    read = held.known(asked) or await held.prepared(asked)
    answer = await house.shared_reads.read(read, entities)
    house.metrics.online.observe(time.perf_counter() - began)
    return answer


def keyed(keys: Sequence[bytes], answer: RowsJson) -> tuple[bytes, bytes]:
    """The insides of two JSON objects: key -> features, key -> statuses. `keys` are JSON; one that was asked
    twice is named once."""
    features = dict(zip(keys, answer.rows, strict=True))
    statuses = dict(zip(keys, answer.statuses, strict=True))
    return (
        b",".join([b"%b:%b" % pair for pair in features.items()]),
        b",".join([b"%b:%b" % pair for pair in statuses.items()]),
    )


def _answer(body: OnlineFeaturesBody, answer: RowsJson) -> bytes:
    """Up to its metadata."""
    head = b'{"feature_service":%b,"entities":%b,' % (_json(body.feature_service), _json(body.entities))
    if len(body.entities) == 1:
        [values] = body.entities.values()
        keys = [_json(value) if isinstance(value, str) else b'"%b"' % _json(value) for value in values]
        found, told = keyed(keys, answer)
        return b'%b"features":{%b},"statuses":{%b},' % (head, found, told)
    columns = list(body.entities.items())
    rows = [
        b'{"entities":%b,"features":%b,"statuses":%b}'
        % (_json({name: values[place] for name, values in columns}), features, statuses)
        for place, (features, statuses) in enumerate(zip(answer.rows, answer.statuses, strict=True))
    ]
    return b'%b"features":{},"statuses":{},"results":[%b],' % (head, b",".join(rows))


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # a whole number of more than 64 bits
        return to_json(value)
