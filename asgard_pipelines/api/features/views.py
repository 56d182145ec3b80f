"""`/api/v1/features/feature-views` and `entities`: what is declared, and what the views' values are like."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from asgard_pipelines.api.access import bearer, needs
from asgard_pipelines.api.feature_listing import ListedFeature, Platform, listed_views
from asgard_pipelines.api.features.view_statistics import view_statistics
from asgard_pipelines.api.house import House

router = APIRouter(prefix="/api/v1/features", tags=["feature store"], dependencies=[Depends(bearer)])
Reader = Annotated[str, Depends(needs("features:read"))]
_VALUE_TYPES = {
    "int32": "INT32",
    "int64": "INT64",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "string": "STRING",
    "bool": "BOOL",
    "timestamp": "UNIX_TIMESTAMP",
}


class StoredView(BaseModel):
    """`ttl_seconds` null never expires; an on-demand view has no entities of its own and no table."""

    name: str
    entities: list[str]
    features: list[ListedFeature]
    ttl_seconds: int | None
    online: bool
    tags: dict[str, str]
    description: str
    owner: str | None
    table: str | None
    created_at: datetime


class StoredViews(BaseModel):
    feature_views: list[StoredView]


class ShownEntity(BaseModel):
    name: str
    join_keys: list[str]
    value_type: str
    description: str


class Entities(BaseModel):
    entities: list[ShownEntity]


class FeatureStatistics(BaseModel):
    """`null_percentage` is of 100. What a type has none of is null: a text has no mean."""

    mean: float | None
    std: float | None
    min: Any
    max: Any
    null_percentage: float


class ViewStatistics(BaseModel):
    """`freshness_seconds` is the age of the newest event. `exact`: every row was looked at; else the feature
    statistics and `total_entities` are estimated from `sampled_rows` rows, and the counts are the table's
    metadata's. Null is what is not known: how many records are online where the store does not count."""

    total_entities: int
    online_store_records: int | None
    offline_store_records: int
    last_materialization: datetime | None
    freshness_seconds: int | None
    feature_stats: dict[str, FeatureStatistics]
    snapshot_id: int | None
    exact: bool
    sampled_rows: int


class StatisticsOfView(BaseModel):
    feature_view: str
    statistics: ViewStatistics


@router.get("/feature-views")
def list_stored_views(request: Request, _: Reader, platform: Platform = False) -> StoredViews:
    """Every feature view."""
    views = listed_views(request.app.state.house, platform=platform)
    return StoredViews(
        feature_views=[StoredView(**view.model_dump(), online=view.online_enabled) for view in views]
    )


@router.get("/feature-views/{name}/stats")
def show_view_statistics(name: str, request: Request, _: Reader) -> StatisticsOfView:
    """What the values of a view are like, at its table's current snapshot. Of a table of millions of rows it
    is told from metadata and a sample."""
    house: House = request.app.state.house
    return StatisticsOfView(
        feature_view=name, statistics=ViewStatistics.model_validate(view_statistics(house, name))
    )


@router.get("/entities")
def list_entities(request: Request, _: Reader) -> Entities:
    """Every entity, with the column by which it is joined."""
    house: House = request.app.state.house
    return Entities(
        entities=[
            ShownEntity(
                name=one.name,
                join_keys=[one.join_key],
                value_type=_VALUE_TYPES.get(one.dtype, one.dtype.upper()),
                description=one.description,
            )
            for one in house.declarations.entities
        ]
    )
