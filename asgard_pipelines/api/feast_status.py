"""`/feast/status`: which stores there are, and how much is declared."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from asgard_pipelines.api.access import bearer, needs
from asgard_pipelines.api.house import House

router = APIRouter(prefix="/feast", tags=["features"], dependencies=[Depends(bearer)])


class FeastStatus(BaseModel):
    registry_type: str
    online_store_type: str
    offline_store_type: str
    num_feature_views: int
    num_entities: int
    num_feature_services: int
    project: str


@router.get("/status")
def status(request: Request, _: Annotated[str, Depends(needs("features:read"))]) -> FeastStatus:
    """The kinds of the stores (never their addresses), and the number of declarations."""
    house: House = request.app.state.house
    declarations = house.declarations
    return FeastStatus(
        registry_type=house.settings.registry_database.split(":", 1)[0].split("+")[0],
        online_store_type=house.settings.online_store_url.split(":", 1)[0].replace("rediss", "redis"),
        offline_store_type="iceberg",
        num_feature_views=len(declarations.own_views),
        num_entities=len(declarations.own_entities),
        num_feature_services=len(declarations.services),
        project=declarations.project,
    )
