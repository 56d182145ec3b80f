"""What `/api/v1/features` takes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from asgard_pipelines.declarations import FeatureBody, Name, Record
from asgard_pipelines.declarations.bodies import Names
from asgard_pipelines.declarations.declared import Owner, Tags
from asgard_pipelines.declarations.features import DEFAULT_TTL
from asgard_pipelines.declarations.models import Instant

MOST_KEYS = 10_000
"""In one online request."""
Value = bool | int | float | str | None
Reference = Annotated[str, Field(max_length=400)]
References = Annotated[list[Reference], Field(max_length=2_000)]
Columns = Annotated[dict[str, list[Value]], Field(max_length=1_000)]


class OnlineFeaturesBody(Record):
    """`features` are `view:feature`; without any, all of the service. `entities`: entity or join key ->
    values, each list a column, all of one length."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "entities": {"customer_id": [1, 2]},
                    "features": ["customer:total_orders", "customer:total_spent"],
                    "full_feature_names": False,
                }
            ]
        }
    )

    entities: Annotated[dict[str, Annotated[list[Value], Field(max_length=MOST_KEYS)]], Field(max_length=100)]
    feature_service: str | None = None
    features: References | None = None
    full_feature_names: bool = False
    """Whether a feature is called `prefix__feature`."""


class HistoricalFeaturesBody(Record):
    """`entity_df`: join keys and `event_timestamp` (a naive time is UTC) as columns; others pass through."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "entity_df": {
                        "customer_id": [1, 2],
                        "event_timestamp": ["2025-01-02T00:00:00Z", "2025-01-03T12:00:00Z"],
                    },
                    "features": ["customer:total_orders"],
                    "full_feature_names": True,
                }
            ]
        }
    )

    entity_df: Columns
    feature_service: str | None = None
    features: References | None = None
    full_feature_names: bool = False
    """Whether a feature is called `prefix__feature`."""


class MaterializeBody(Record):
    """With dates: the rows of that window, as the tables are now. Without: what has changed since the last
    time."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "feature_views": ["customer_features"],
                    "start_date": "2025-01-01T00:00:00Z",
                    "end_date": "2025-01-31T23:59:59Z",
                }
            ]
        }
    )

    feature_views: Names
    start_date: Instant | None = None
    end_date: Instant | None = None
    project: str | None = None


class PushFeaturesBody(Record):
    """Each of `features` is a record: its join keys, `event_timestamp` (a naive time is UTC) and `features`,
    an object of all features of the push source."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "push_source_name": "customer_sessions",
                    "features": [
                        {
                            "customer_id": "cust_1",
                            "event_timestamp": "2025-01-31T12:00:00Z",
                            "features": {"cart_value": 156.5},
                        }
                    ],
                }
            ]
        }
    )

    push_source_name: Annotated[str, Field(max_length=200)]
    features: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_KEYS)]
    push_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")] | None = None
    """Of the sender's choice: sent again, with the same records, it is answered as before and nothing is
    written."""


class BatchSource(Record):
    """Parquet below one of `ASGARD_STORAGE_ROOTS`: a file, or all of a folder."""

    type: Literal["batch"] = "batch"
    path: Annotated[str, Field(min_length=1, max_length=1_000)]
    timestamp_field: Name
    file_format: Literal["parquet"] = "parquet"
    created_timestamp_column: Name | None = None


class PushedSource(Record):
    """Rows are pushed; `name` is the `push_source_name` by which they are. Several views may have one."""

    type: Literal["push"]
    name: Name | None = None
    """The view's, when null."""
    timestamp_field: Name = "event_timestamp"


def _with_type(value: Any) -> Any:
    return {"type": "batch", **value} if isinstance(value, dict) and "type" not in value else value


class AppliedView(Record):
    name: Name
    entities: Names
    features: Annotated[list[FeatureBody], Field(min_length=1, alias="schema")]
    """The features; join keys and times need not be named."""
    source: Annotated[
        Annotated[BatchSource | PushedSource, Field(discriminator="type")], BeforeValidator(_with_type)
    ]
    ttl_seconds: Annotated[int, Field(ge=0, le=10**9)] | None = int(DEFAULT_TTL.total_seconds())
    """0 or null never expires."""
    online: bool = True
    description: str = ""
    owner: Owner | None = None
    tags: Tags = Field(default_factory=dict)


class ApplyBody(Record):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "feature_view": {
                        "name": "session_features",
                        "entities": ["customer_id"],
                        "schema": [{"name": "cart_value", "dtype": "float64"}],
                        "source": {"type": "push", "name": "customer_sessions"},
                        "ttl_seconds": 86400,
                    }
                }
            ]
        }
    )

    feature_view: AppliedView
