from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, ValueType
from feast.types import Float64, Int64

from asgard_pipelines.features import gold

customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)

habits = FeatureView(
    name="habits",
    entities=[customer],
    ttl=timedelta(days=31),
    schema=[
        Field(name="orders", dtype=Int64),
        Field(name="spent", dtype=Float64),
        Field(name="idle_days", dtype=Int64),
    ],
    source=gold("customer_habits", timestamp_field="created_at"),
    online=True,
)

buyers = FeatureService(name="buyers", features=[habits])
