"""What Feast declares, as the rest of Asgard reads it: entities, views, services."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, field_validator

from asgard_pipelines.declarations.declared import ColumnType, Declared, Name, Record
from asgard_pipelines.declarations.duration import Duration


class Entity(Declared):
    join_key: Name
    dtype: ColumnType


class Feature(Record):
    """One feature. `column` is its name in the source table (field mappings undone)."""

    name: Name
    dtype: ColumnType
    column: Name
    description: str = ""


class FeatureView(Declared):
    """A view over one table. `ttl` null never expires."""

    entities: list[str]
    join_keys: dict[Name, Name]
    """Join key -> the source table's column."""
    features: list[Feature]
    table: str
    """`schema.table`."""
    timestamp: Name
    created_timestamp: Name | None = None
    ttl: Duration | None = None
    online: bool = False
    push_source: Name | None = None
    """Rows may be pushed to it by this name; several views may have the same."""

    @field_validator("features")
    @classmethod
    def _once_each(cls, value: list[Feature]) -> list[Feature]:
        names = [feature.name for feature in value]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"the feature '{twice[0]}' stands there twice")
        return value

    @property
    def feature_names(self) -> list[str]:
        return [feature.name for feature in self.features]


class OnDemandView(Declared):
    """Features computed at read time by a function in the Feast repo."""

    features: list[Feature]
    sources: list[str]
    """Names of the feature views it is computed from."""
    request_columns: dict[Name, ColumnType] = Field(default_factory=dict)
    fingerprint: str
    """SHA-256 of the function's source."""


class ServiceView(Record):
    """What a service takes from one view."""

    view: str
    features: list[str]


class FeatureService(Declared):
    views: list[ServiceView]


DEFAULT_TTL = timedelta(days=1)
"""What a view declared over REST gets without `ttl_seconds`."""
