"""Deprecating what is declared, and taking that back: the same for views, services and models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fastapi import BackgroundTasks
from pydantic import BaseModel, ConfigDict

from asgard_pipelines.api.house import House
from asgard_pipelines.declarations import Name, Record

if TYPE_CHECKING:
    from asgard_pipelines.project import Deprecable


class DeprecationBody(Record):
    model_config = ConfigDict(json_schema_extra={"examples": [{"instead": "customer_features_v2"}]})

    instead: Name | None = None
    """What to use in its place."""
    deprecated: bool = True
    """False takes a deprecation back."""


class DeprecatedThing(BaseModel):
    """`needed_by` uses it: it goes on, and is told."""

    name: str
    status: Literal["deprecated", "in use"]
    instead: str | None
    needed_by: list[str]


def deprecate_declared(
    house: House, tasks: BackgroundTasks, kind: Deprecable, name: str, body: DeprecationBody, author: str
) -> DeprecatedThing:
    """Raises FeatureViewNotFound, DeclarationNotFound, Invalid, Conflict."""
    from asgard_pipelines.project import deprecate, needed_by, restore

    with house.declaring():
        declarations = house.declarations
        if body.deprecated:
            changed = deprecate(house.settings, declarations, kind, name, author, instead=body.instead)
        else:
            changed = restore(house.settings, declarations, kind, name, author)
    if changed:
        tasks.add_task(house.reload)
    return DeprecatedThing(
        name=name,
        status="deprecated" if body.deprecated else "in use",
        instead=body.instead if body.deprecated else None,
        needed_by=needed_by(declarations, kind, name),
    )
