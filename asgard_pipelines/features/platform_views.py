"""Asgard about itself, as feature views: import them in `repo.py` to have them.

The names and meanings are those of `/api/v1/features/pipeline-features`, `user-features` and
`connector-features`. They are ordinary views: models may be trained on them.
"""

from __future__ import annotations

from datetime import timedelta

from feast import Entity, FeatureView, Field, ValueType
from feast.types import Float64, Int64, String

from asgard_pipelines.declarations import DESCRIBED_AT
from asgard_pipelines.features.sources import gold

__all__ = [
    "connector",
    "connector_features",
    "pipeline",
    "pipeline_features",
    "user",
    "user_features",
]

# The tables are filled every hour; a day without is longer than an outage that nobody saw.
_TTL = timedelta(days=1)
_TAGS = {"domain": "platform"}

pipeline = Entity(
    name="pipeline",
    join_keys=["pipeline_id"],
    value_type=ValueType.STRING,
    description="A job or an asset in Dagster, as `predict_daily_job` or `gold/customers`.",
)
user = Entity(
    name="user",
    join_keys=["user_id"],
    value_type=ValueType.STRING,
    description="Whoever a token was made for, or `anybody`.",
)
connector = Entity(
    name="connector",
    join_keys=["connector_id"],
    value_type=ValueType.STRING,
    description="What Asgard stands on: catalog, warehouse, engine, state, registry, online_store.",
)

pipeline_features = FeatureView(
    name="pipeline_features",
    entities=[pipeline],
    ttl=_TTL,
    schema=[
        Field(name="success_rate_7d", dtype=Float64, description="Succeeded of the finished runs."),
        Field(name="avg_duration_7d", dtype=Float64, description="Seconds of the finished runs."),
        Field(name="error_count_7d", dtype=Int64, description="Failed runs."),
        Field(
            name="data_volume_trend",
            dtype=String,
            description="Rows written a day, the last 3 days against the 4 before: increasing, decreasing "
            "(by more than a tenth) or stable.",
        ),
    ],
    source=gold("pipeline_activity", timestamp_field=DESCRIBED_AT),
    online=True,
    description="How the runs of a job or an asset went in the last 7 days.",
    tags=_TAGS,
)
user_features = FeatureView(
    name="user_features",
    entities=[user],
    ttl=_TTL,
    schema=[
        Field(name="pipelines_created_30d", dtype=Int64, description="Declarations made."),
        Field(name="pipelines_executed_30d", dtype=Int64, description="Runs started."),
        Field(name="total_data_processed_gb", dtype=Float64, description="What those runs read, in GB."),
        Field(name="avg_pipeline_complexity", dtype=Float64, description="Assets a run, on average."),
    ],
    source=gold("user_activity", timestamp_field=DESCRIBED_AT),
    online=True,
    description="What somebody did with Asgard in the last 30 days.",
    tags=_TAGS,
)
connector_features = FeatureView(
    name="connector_features",
    entities=[connector],
    ttl=_TTL,
    schema=[
        Field(
            name="uptime_percentage_7d", dtype=Float64, description="Probes that were answered, in percent."
        ),
        Field(name="avg_query_time_7d", dtype=Float64, description="Milliseconds of an answered probe."),
        Field(name="error_rate_7d", dtype=Float64, description="Share of probes that failed."),
        Field(
            name="connection_pool_usage",
            dtype=Float64,
            description="Connections in use of the pool's size at the last probe; null without a pool.",
        ),
    ],
    source=gold("connector_activity", timestamp_field=DESCRIBED_AT),
    online=True,
    description="How a service that Asgard stands on answered in the last 7 days.",
    tags=_TAGS,
)
