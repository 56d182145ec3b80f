"""What is sent over REST to declare. Models and predictions have the fields that their files have."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from asgard_pipelines.declarations.declared import ColumnType, Name, Owner, Record, TableName, Tags
from asgard_pipelines.declarations.examples import FEATURE_SERVICE, FEATURE_VIEW, MODEL, PREDICTION
from asgard_pipelines.declarations.features import DEFAULT_TTL
from asgard_pipelines.declarations.models import ModelFields
from asgard_pipelines.declarations.predictions import PredictionFields


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

    model_config = ConfigDict(json_schema_extra={"examples": [FEATURE_VIEW]})

    name: Name
    entities: Names
    features: Annotated[list[FeatureBody], Field(min_length=1), AfterValidator(_features_once_each)]
    source: SourceBody
    ttl_seconds: Annotated[int, Field(ge=0, le=10**9)] | None = int(DEFAULT_TTL.total_seconds())
    """0 or null never expires."""
    online: bool = False
    description: str = ""
    owner: Owner | None = None
    tags: Tags = Field(default_factory=dict)


class FeatureServiceBody(Record):
    """The body of `POST /feast/features/service`."""

    model_config = ConfigDict(json_schema_extra={"examples": [FEATURE_SERVICE]})

    name: Name
    feature_views: Names
    description: str = ""
    owner: Owner | None = None
    tags: Tags = Field(default_factory=dict)


class ModelBody(ModelFields):
    """The body of `POST /feast/models`."""

    model_config = ConfigDict(json_schema_extra={"examples": [MODEL]})

    name: Name
    description: str = ""
    owner: Owner | None = None
    tags: Tags = Field(default_factory=dict)


PredictionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=128)]


class PredictionBody(PredictionFields):
    """The body of `POST /feast/predictions/batch`. The declaration is called as the output table."""

    model_config = ConfigDict(json_schema_extra={"examples": [PREDICTION]})

    prediction_id: PredictionId | None = None
    """A name for this prediction: sent again, it answers with the first result."""
    description: str = ""
    owner: Owner | None = None
    tags: Tags = Field(default_factory=dict)
