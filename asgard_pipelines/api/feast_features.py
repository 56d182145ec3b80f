"""`/feast/features`: feature views and services, declared and listed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, BackgroundTasks, Depends, Query, Request, Response
from pydantic import BaseModel

from asgard_pipelines.api.access import bearer, needs
from asgard_pipelines.api.deprecations import DeprecatedThing, DeprecationBody, deprecate_declared
from asgard_pipelines.api.feature_listing import ListedView, Platform, listed_views
from asgard_pipelines.api.house import House
from asgard_pipelines.declarations import FeatureServiceBody, FeatureViewBody

router = APIRouter(prefix="/feast/features", tags=["features"], dependencies=[Depends(bearer)])
Reader = Annotated[str, Depends(needs("features:read"))]
Writer = Annotated[str, Depends(needs("features:write"))]
Replace = Annotated[bool, Query(description="Put this in the place of another declaration of that name.")]


class RegisteredView(BaseModel):
    """`warnings` tells what is deprecated in it."""

    name: str
    entities: list[str]
    """As they were sent."""
    features: list[str]
    status: Literal["registered"] = "registered"
    created_at: datetime
    warnings: list[str]


class CreatedService(BaseModel):
    """`warnings` tells what is deprecated in it."""

    name: str
    feature_views: list[str]
    status: Literal["created"] = "created"
    created_at: datetime
    warnings: list[str]


class Removed(BaseModel):
    name: str
    status: Literal["deleted"] = "deleted"


@router.get("")
def list_feature_views(request: Request, _: Reader, platform: Platform = False) -> list[ListedView]:
    """Every feature view: the repo's and those made over REST."""
    return listed_views(request.app.state.house, platform=platform)


@router.post("", status_code=201, responses={200: {"model": RegisteredView}})
def create_feature_view(
    body: FeatureViewBody,
    request: Request,
    response: Response,
    tasks: BackgroundTasks,
    author: Writer,
    replace: Replace = False,
) -> RegisteredView:
    """Declare a feature view over a table that exists. The same again answers 200 and changes nothing."""
    from asgard_pipelines.project import Wanted, deprecated_among, put, settle_view

    house: House = request.app.state.house
    sent = body.model_dump(mode="json", by_alias=True)
    with house.declaring():
        settled = settle_view(body, house.declarations, house.lakehouse)
        entities = [Wanted("entity", one, one.model_dump(mode="json")) for one in settled.entities]
        made, changed = put(
            house.settings, [*entities, Wanted("feature_view", settled.view, sent)], author, replace=replace
        )
        house.publish(tasks, changed)
    response.status_code = 201 if changed else 200
    return RegisteredView(
        name=body.name,
        entities=body.entities,
        features=[feature.name for feature in body.features],
        created_at=made[-1].made_at,
        warnings=deprecated_among(one for one in house.declarations.views if one.name == body.name),
    )


@router.post("/service", status_code=201, responses={200: {"model": CreatedService}})
def create_feature_service(
    body: FeatureServiceBody,
    request: Request,
    response: Response,
    tasks: BackgroundTasks,
    author: Writer,
    replace: Replace = False,
) -> CreatedService:
    """Declare a feature service: all features of some views. The same again answers 200."""
    from asgard_pipelines.project import Wanted, deprecated_among, put, settle_service, used_by_service

    house: House = request.app.state.house
    with house.declaring():
        service = settle_service(body, house.declarations)
        wanted = Wanted("feature_service", service, body.model_dump(mode="json"))
        made, changed = put(house.settings, [wanted], author, replace=replace)
        house.publish(tasks, changed)
    response.status_code = 201 if changed else 200
    declarations = house.declarations
    stands = next(one for one in declarations.services if one.name == body.name)
    return CreatedService(
        name=body.name,
        feature_views=body.feature_views,
        created_at=made[-1].made_at,
        warnings=deprecated_among(used_by_service(declarations, stands)),
    )


@router.get("/{name}")
def show_feature_view(name: str, request: Request, _: Reader) -> ListedView:
    """One feature view."""
    from asgard_pipelines.errors import FeatureViewNotFound

    views = {view.name: view for view in listed_views(request.app.state.house)}
    if name not in views:
        raise FeatureViewNotFound(name, views)
    return views[name]


@router.delete("/{name}")
def delete_feature_view(name: str, request: Request, tasks: BackgroundTasks, author: Writer) -> Removed:
    """Take a view that was made over REST out of force. What depends on it is named, and it stays then."""
    from asgard_pipelines.project import remove

    house: House = request.app.state.house
    with house.declaring():
        remove(house.settings, "feature_view", name, author)
        house.publish(tasks, changed=True)
    return Removed(name=name)


@router.post("/{name}/deprecate")
def deprecate_feature_view(
    name: str, body: DeprecationBody, request: Request, tasks: BackgroundTasks, author: Writer
) -> DeprecatedThing:
    """Let nobody new use it. Who uses it goes on, and is told."""
    return deprecate_declared(request.app.state.house, tasks, "feature_view", name, body, author)
