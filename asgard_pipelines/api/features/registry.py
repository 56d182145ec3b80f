"""`/api/v1/features/config` and `refresh-registry`: where the stores are, and Feast's registry."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, BackgroundTasks, Depends, Request
from pydantic import BaseModel

from asgard_pipelines.api.access import bearer, needs
from asgard_pipelines.api.features.addresses import kind_of, shown
from asgard_pipelines.api.house import House

router = APIRouter(prefix="/api/v1/features", tags=["feature store"], dependencies=[Depends(bearer)])
_KEY_VERSION = 3
"""Of Feast's encoding of entity keys, in every store of ours."""


class ShownRegistry(BaseModel):
    type: str
    url: str


class ShownStore(BaseModel):
    type: str
    connection_string: str


class StoreConfiguration(BaseModel):
    """Addresses without passwords, keys and folders."""

    project: str
    registry: ShownRegistry
    online_store: ShownStore
    offline_store: ShownStore
    entity_key_serialization_version: int
    feature_views_count: int
    entities_count: int


class RefreshedRegistry(BaseModel):
    """`changes`: what Feast's registry did not have as it is declared."""

    status: Literal["success"] = "success"
    feature_views_count: int
    entities_count: int
    feature_services_count: int
    refreshed_at: datetime
    changes: list[str]


@router.get("/config")
def show_store_configuration(
    request: Request, _: Annotated[str, Depends(needs("features:read"))]
) -> StoreConfiguration:
    """Which stores there are, and where; never a password."""
    house: House = request.app.state.house
    settings, declarations = house.settings, house.declarations
    catalog = settings.catalog_properties["uri"]
    registry, online = settings.registry_database, settings.online_store_url
    return StoreConfiguration(
        project=declarations.project,
        registry=ShownRegistry(type=kind_of(registry), url=shown(registry)),
        online_store=ShownStore(type=kind_of(online), connection_string=shown(online)),
        offline_store=ShownStore(type="iceberg", connection_string=shown(catalog)),
        entity_key_serialization_version=_KEY_VERSION,
        feature_views_count=len(declarations.own_views),
        entities_count=len(declarations.own_entities),
    )


@router.post("/refresh-registry")
def refresh_registry(
    request: Request, tasks: BackgroundTasks, _: Annotated[str, Depends(needs("features:write"))]
) -> RefreshedRegistry:
    """Read all that is declared anew, and bring Feast's registry and Dagster to it."""
    from asgard_pipelines.features import apply  # imports Feast

    house: House = request.app.state.house
    with house.declaring():
        declarations = house.declarations
        changes = apply(house.settings)
    house.forget_declarations()
    tasks.add_task(house.reload)
    return RefreshedRegistry(
        feature_views_count=len(declarations.own_views),
        entities_count=len(declarations.own_entities),
        feature_services_count=len(declarations.services),
        refreshed_at=datetime.now(UTC),
        changes=changes,
    )
