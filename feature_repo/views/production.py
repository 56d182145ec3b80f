"""What the machine measured in a production run."""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, ValueType
from feast.types import Float64, Int64, String

from asgard_pipelines.features import gold

OWNER = "team:production"

production_run = Entity(
    name="production_run",
    join_keys=["production_run_id"],
    value_type=ValueType.INT64,
    description="One run of the machine.",
)

production_conditions = FeatureView(
    name="production_conditions",
    entities=[production_run],
    # A run has one row, at its own start; within a day it is decided whether its parts are good.
    ttl=timedelta(days=1),
    schema=[
        Field(name="product_type", dtype=String, description="Quality variant: L, M or H."),
        Field(name="air_temperature", dtype=Float64, description="Kelvin."),
        Field(name="process_temperature", dtype=Float64, description="Kelvin."),
        Field(name="rotational_speed", dtype=Int64, description="Revolutions per minute."),
        Field(name="torque", dtype=Float64, description="Newton metres."),
        Field(name="tool_wear", dtype=Int64, description="Minutes the tool has been in use."),
    ],
    source=gold("production_runs", timestamp_field="run_start_time"),
    online=False,
    description="Conditions under which a run was made.",
    tags={"domain": "production"},
    owner=OWNER,
)

quality_features = FeatureService(
    name="quality_features",
    features=[production_conditions],
    description="What the quality model is trained on.",
    tags={"domain": "production"},
    owner=OWNER,
)
