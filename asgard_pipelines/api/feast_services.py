"""`/feast/services`: services listed, shown, ended, deprecated. `POST /feast/features/service` makes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Request
from pydantic import BaseModel

from asgard_pipelines.api.access import bearer, needs
from asgard_pipelines.api.deprecations import DeprecatedThing, DeprecationBody, deprecate_declared
from asgard_pipelines.api.feast_features import Removed
from asgard_pipelines.api.feature_listing import declared_at
from asgard_pipelines.api.house import House
from asgard_pipelines.declarations import Deprecation
from asgard_pipelines.errors import DeclarationNotFound, did_you_mean
from asgard_pipelines.state import made

router = APIRouter(prefix="/feast/services", tags=["features"], dependencies=[Depends(bearer)])
Reader = Annotated[str, Depends(needs("features:read"))]
Writer = Annotated[str, Depends(needs("features:write"))]


class ListedService(BaseModel):
    """`features` are `view:feature`; `created_at` is when it was declared (UTC)."""

    name: str
    feature_views: list[str]
    features: list[str]
    created_at: datetime
    description: str
    owner: str | None
    tags: dict[str, str]
    declared_in: str
    """A file of the repo, or the route over which it was declared."""
    deprecated: Deprecation | None
    needed_by: list[str]
    """Models that name it."""


@router.get("")
def list_feature_services(request: Request, _: Reader) -> list[ListedService]:
    """Every feature service: the repo's and those made over REST."""
    return _listed(request.app.state.house)


@router.get("/{name}")
def show_feature_service(name: str, request: Request, _: Reader) -> ListedService:
    """One feature service."""
    services = {service.name: service for service in _listed(request.app.state.house)}
    if name not in services:
        raise DeclarationNotFound(
            f"Feature service '{name}' not found.{did_you_mean(name, services)}",
            feature_service=name,
            available_services=sorted(services),
        )
    return services[name]


@router.delete("/{name}")
def delete_feature_service(name: str, request: Request, tasks: BackgroundTasks, author: Writer) -> Removed:
    """Take a service that was made over REST out of force. What depends on it is named, and it stays then."""
    from asgard_pipelines.project import remove

    house: House = request.app.state.house
    with house.declaring():
        remove(house.settings, "feature_service", name, author)
        house.publish(tasks, changed=True)
    return Removed(name=name)


@router.post("/{name}/deprecate")
def deprecate_feature_service(
    name: str, body: DeprecationBody, request: Request, tasks: BackgroundTasks, author: Writer
) -> DeprecatedThing:
    """Let nobody new use it. Who uses it goes on, and is told."""
    return deprecate_declared(request.app.state.house, tasks, "feature_service", name, body, author)


def _listed(house: House) -> list[ListedService]:
    from asgard_pipelines.project import needed_by

    declarations = house.declarations
    over_rest = {one.name: one for one in made(house.settings) if one.kind == "feature_service"}
    return [
        ListedService(
            name=one.name,
            feature_views=[part.view for part in one.views],
            features=[f"{part.view}:{feature}" for part in one.views for feature in part.features],
            created_at=declared_at(house, one, over_rest.get(one.name), "feature_service"),
            description=one.description,
            owner=one.owner,
            tags=one.tags,
            declared_in=one.where.file if one.name in over_rest else str(one.where),
            deprecated=one.deprecated,
            needed_by=needed_by(declarations, "feature_service", one.name),
        )
        for one in declarations.services
    ]
