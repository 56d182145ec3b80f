"""Feature views as the API lists them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel

from asgard_pipelines.api.house import House
from asgard_pipelines.declarations import Declared, Deprecation, FeatureView, OnDemandView
from asgard_pipelines.state import Made, MadeKind, made, made_history

Platform = Annotated[bool, Query(description="Whether to list the views about Asgard itself too.")]


class ListedFeature(BaseModel):
    name: str
    dtype: str
    description: str


class ListedView(BaseModel):
    """`ttl_seconds` null never expires; `created_at` is when it was declared (UTC)."""

    name: str
    entities: list[str]
    features: list[ListedFeature]
    online_enabled: bool
    ttl_seconds: int | None
    created_at: datetime
    description: str
    owner: str | None
    tags: dict[str, str]
    table: str | None
    """`schema.table`; null for an on-demand view."""
    declared_in: str
    """A file of the repo, or the route over which it was declared."""
    deprecated: Deprecation | None


def listed_views(house: House, *, platform: bool = True) -> list[ListedView]:
    """All views, stored and on-demand, by name; without `platform`, not those about Asgard itself."""
    declarations = house.declarations
    views = declarations.all_views if platform else declarations.own_views
    # After those: what is declared meanwhile is not listed yet.
    over_rest = {one.name: one for one in made(house.settings) if one.kind == "feature_view"}
    listed = [_listed(house, view, over_rest.get(view.name)) for view in views]
    return sorted(listed, key=lambda view: view.name)


def _listed(house: House, view: FeatureView | OnDemandView, made: Made | None) -> ListedView:
    stored = view if isinstance(view, FeatureView) else None
    entities = stored.entities if stored else []
    return ListedView(
        name=view.name,
        entities=made.sent["entities"] if made else entities,
        features=[
            ListedFeature(name=one.name, dtype=one.dtype, description=one.description)
            for one in view.features
        ],
        online_enabled=bool(stored and stored.online),
        ttl_seconds=int(stored.ttl.total_seconds()) if stored and stored.ttl else None,
        created_at=declared_at(house, view, made, "feature_view"),
        description=view.description,
        owner=view.owner,
        tags=view.tags,
        table=stored.table if stored else None,
        declared_in=str(view.where) if not made else view.where.file,
        deprecated=view.deprecated,
    )


def declared_at(house: House, one: Declared, made: Made | None, kind: MadeKind) -> datetime:
    """When it was made over REST, else when the file in which it stands was last written."""
    file = house.settings.repo / one.where.file
    if made is None and not file.is_file():  # it was ended since the declarations were read
        made = made_history(house.settings, kind, one.name)[-1]
    return made.made_at if made else datetime.fromtimestamp(file.stat().st_mtime, UTC)
