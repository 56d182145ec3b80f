"""What was declared over REST, as Feast's objects: for Feast's own commands, which know only those."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import feast
from feast import types

from asgard_pipelines.declarations import Entity, FeatureService, FeatureView
from asgard_pipelines.features.sources import gold
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import made

MADE = "asgard.made"
"""The tag by which such objects are told from those of the repo's code."""
_TYPES: dict[str, Any] = {
    "int32": types.Int32,
    "int64": types.Int64,
    "float32": types.Float32,
    "float64": types.Float64,
    "string": types.String,
    "bool": types.Bool,
    "timestamp": types.UnixTimestamp,
}


def made_over_rest(settings: Settings | None = None) -> dict[str, Any]:
    """Feast's entities, views and services of all that stands, by names that a module may give them.

    `repo.py` takes them in with `globals().update(made_over_rest())`, so that plain `feast apply` leaves
    alone what the API made.
    """
    standing = made(settings or Settings.read())
    entities = {
        one.name: _entity(Entity.model_validate(one.body)) for one in standing if one.kind == "entity"
    }
    views = [FeatureView.model_validate(one.body) for one in standing if one.kind == "feature_view"]
    services = [FeatureService.model_validate(one.body) for one in standing if one.kind == "feature_service"]
    objects: dict[str, Any] = {f"made_entity_{name}": entity for name, entity in entities.items()}
    first: dict[str | None, str] = {one.push_source: one.name for one in reversed(views) if one.push_source}
    for view in views:
        pushes = view.push_source if first.get(view.push_source) == view.name else None
        objects[f"made_view_{view.name}"] = _view(view, entities, pushes)
    return objects | {f"made_service_{service.name}": _service(service) for service in services}


def _entity(entity: Entity) -> feast.Entity:
    return feast.Entity(
        name=entity.name,
        join_keys=[entity.join_key],
        value_type=_feast_type(entity.dtype).to_value_type(),
        description=entity.description,
        owner=entity.owner or "",
        tags=entity.tags | {MADE: "rest"},
    )


def _view(
    view: FeatureView, entities: Mapping[str, feast.Entity], pushed_as: str | None
) -> feast.FeatureView:
    """`pushed_as`: the name by which Feast may push to it. It takes each once: the first view has it."""
    mapping = {feature.column: feature.name for feature in view.features if feature.column != feature.name}
    mapping |= {column: key for key, column in view.join_keys.items() if key != column}
    keys = zip(view.entities, view.join_keys, strict=True)
    source = gold(
        view.table,
        timestamp_field=view.timestamp,
        created_timestamp_column=view.created_timestamp,
        field_mapping=mapping,
        name=f"{view.table} of {view.name}",  # Feast takes each name once, and a table has many views
    )
    return feast.FeatureView(
        name=view.name,
        # Of an entity that the repo's code declares the key is enough: Feast takes its type from the table.
        entities=[entities.get(name) or feast.Entity(name=name, join_keys=[key]) for name, key in keys],
        schema=[
            feast.Field(name=one.name, dtype=_feast_type(one.dtype), description=one.description)
            for one in view.features
        ],
        source=feast.PushSource(name=pushed_as, batch_source=source) if pushed_as else source,
        ttl=view.ttl,
        online=view.online,
        description=view.description,
        owner=view.owner or "",
        tags=view.tags | {MADE: "rest"},
    )


def _service(service: FeatureService) -> feast.FeatureService:
    return feast.FeatureService(
        name=service.name,
        # By name: Feast finds the views when the service is applied, those of the repo's code too.
        features=[f"{part.view}:{feature}" for part in service.views for feature in part.features],
        description=service.description,
        owner=service.owner or "",
        tags=service.tags | {MADE: "rest"},
    )


def _feast_type(dtype: str) -> Any:
    if dtype.startswith("array<"):
        return types.Array(_feast_type(dtype[len("array<") : -1]))
    return _TYPES[dtype]
