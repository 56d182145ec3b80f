"""`POST /api/v1/features/apply`: a feature view declared together with its table."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, BackgroundTasks, Depends, Query, Request, Response
from pydantic import BaseModel

from asgard_pipelines.api.access import bearer, needs
from asgard_pipelines.api.features.bodies import AppliedView, ApplyBody, BatchSource
from asgard_pipelines.api.house import House
from asgard_pipelines.declarations import FeatureViewBody, SourceBody
from asgard_pipelines.state import last_materialized

if TYPE_CHECKING:
    from asgard_pipelines.project import AppliedSource

router = APIRouter(prefix="/api/v1/features", tags=["feature store"], dependencies=[Depends(bearer)])


class AppliedFeatureView(BaseModel):
    """`online_store_ready`: its rows can be read online now. `table` holds them, at snapshots."""

    status: Literal["success"] = "success"
    feature_view: str
    registered_at: datetime
    online_store_ready: bool
    materialization_required: bool
    table: str
    push_source: str | None


@router.post("/apply", status_code=201, responses={200: {"model": AppliedFeatureView}})
def apply_feature_view(
    body: ApplyBody,
    request: Request,
    response: Response,
    tasks: BackgroundTasks,
    author: Annotated[str, Depends(needs("features:write"))],
    replace: Annotated[
        bool, Query(description="Put this in the place of another declaration of that name.")
    ] = False,
) -> AppliedFeatureView:
    """Declare a feature view over Parquet, which becomes a table, or one to which rows are pushed. The same
    again answers 200, and takes in what has changed in the files."""
    from asgard_pipelines.project import apply_view

    house: House = request.app.state.house
    applied = body.feature_view
    sent = applied.model_dump(mode="json", by_alias=True)
    with house.declaring():
        made, changed = apply_view(
            house.lakehouse,
            house.declarations,
            _view(applied),
            _source(applied),
            sent,
            author,
            replace=replace,
        )
        house.publish(tasks, changed)
    response.status_code = 201 if changed else 200
    view = house.declarations.view(applied.name)
    ready = view.push_source is not None or view.name in last_materialized(house.settings)
    return AppliedFeatureView(
        feature_view=view.name,
        registered_at=made.made_at,
        online_store_ready=view.online and ready,
        materialization_required=view.online and not ready,
        table=view.table,
        push_source=view.push_source,
    )


def _view(applied: AppliedView) -> FeatureViewBody:
    return FeatureViewBody(
        name=applied.name,
        entities=applied.entities,
        features=applied.features,
        source=SourceBody(table_name=applied.name, timestamp_field=applied.source.timestamp_field),
        ttl_seconds=applied.ttl_seconds,
        online=applied.online,
        description=applied.description,
        owner=applied.owner,
        tags=applied.tags,
    )


def _source(applied: AppliedView) -> AppliedSource:
    from asgard_pipelines.project import AppliedSource

    source = applied.source
    if isinstance(source, BatchSource):
        return AppliedSource(
            source.timestamp_field, path=source.path, created_timestamp=source.created_timestamp_column
        )
    return AppliedSource(source.timestamp_field, push_source=source.name or applied.name)
