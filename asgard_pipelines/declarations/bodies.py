"""What is sent over REST to declare features. Models and predictions are sent as they are declared."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from asgard_pipelines.declarations.declared import ColumnType, Name, Record
from asgard_pipelines.declarations.features import DEFAULT_TTL

TableName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+){0,2}$", max_length=390)
]
"""`t`, `schema.t` or `iceberg.schema.t`."""


def _once_each(names: list[str]) -> list[str]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"'{name}' stands there twice")
    return names


Names = Annotated[list[Name], Field(min_length=1), AfterValidator(_once_each)]


class FeatureBody(Record):
    name: Name
    dtype: ColumnType
    description: str = ""


def _features_once_each(features: list[FeatureBody]) -> list[FeatureBody]:
    _once_each([feature.name for feature in features])
    return features


class SourceBody(Record):
    table_name: TableName
    timestamp_field: Name
    catalog: str = "iceberg"
    schema_name: Name | None = Field(default=None, alias="schema")
    """Null: the gold schema."""
    created_timestamp_column: Name | None = None


class FeatureViewBody(Record):
    """The body of `POST /feast/features`."""

    name: Name
    entities: Names
    features: Annotated[list[FeatureBody], Field(min_length=1), AfterValidator(_features_once_each)]
    source: SourceBody
    ttl_seconds: Annotated[int, Field(ge=0, le=10**9)] | None = int(DEFAULT_TTL.total_seconds())
    """0 or null never expires."""
    online: bool = False
    description: str = ""
    owner: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)


class FeatureServiceBody(Record):
    """The body of `POST /feast/features/service`."""

    name: Name
    feature_views: Names
    description: str = ""
    owner: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
