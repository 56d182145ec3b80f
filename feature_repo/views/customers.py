"""What is known about a customer at the first instant of each month."""

from datetime import timedelta

import pandas as pd
from feast import Entity, FeatureService, FeatureView, Field, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64

from asgard_pipelines.features import gold

OWNER = "team:customers"

# A row appears at the first instant of a month and describes the customer until the next one does. The
# longest month has 31 days, so within 31 days there is always a row while the table is kept up, and an
# older one means that it was not: better no value than that of the month before.
ONE_MONTH = timedelta(days=31)

customer = Entity(
    name="customer",
    join_keys=["customer_id"],
    value_type=ValueType.STRING,
    description="A customer who has bought at least once.",
)

aggregates = gold("customer_aggregates", timestamp_field="created_at")

customer_orders = FeatureView(
    name="customer_orders",
    entities=[customer],
    ttl=ONE_MONTH,
    schema=[
        Field(name="total_orders", dtype=Int64, description="Purchases so far."),
        Field(name="total_spent", dtype=Float64, description="Dollars spent so far."),
        Field(name="avg_order_value", dtype=Float64, description="Dollars per purchase."),
        Field(name="days_since_last_order", dtype=Int64, description="Whole days since the last purchase."),
    ],
    source=aggregates,
    online=True,  # the service `churn_features_online` reads it
    description="How often, how much, how recently: the classic four.",
    tags={"domain": "customers"},
    owner=OWNER,
)

customer_history = FeatureView(
    name="customer_history",
    entities=[customer],
    ttl=ONE_MONTH,
    schema=[
        Field(name="days_since_first_order", dtype=Int64, description="Whole days as a customer."),
        Field(name="total_quantity", dtype=Int64, description="CDs bought so far."),
        Field(name="orders_last_90d", dtype=Int64, description="Purchases in the 90 days before."),
        Field(name="spent_last_90d", dtype=Float64, description="Dollars spent in the 90 days before."),
    ],
    source=aggregates,
    online=False,
    description="The longer story, for training and batch prediction.",
    tags={"domain": "customers"},
    owner=OWNER,
)


@on_demand_feature_view(
    sources=[customer_orders, customer_history],
    # Feast compares these with what the function returns, and a description would make them differ.
    schema=[
        Field(name="avg_days_between_orders", dtype=Float64),
        Field(name="idle_share", dtype=Float64),
    ],
    mode="pandas",
    description=(
        "The customer's rhythm: average days between purchases (null after a single one), and the share of "
        "the days as a customer that have passed since the last purchase."
    ),
    tags={"domain": "customers"},
    owner=OWNER,
)
def customer_rhythm(inputs: pd.DataFrame) -> pd.DataFrame:
    life = inputs["days_since_first_order"].astype("float64")
    idle = inputs["days_since_last_order"].astype("float64")
    returns = inputs["total_orders"].astype("float64") - 1
    rhythm = pd.DataFrame(index=inputs.index)
    rhythm["avg_days_between_orders"] = (life - idle) / returns.where(returns > 0)
    rhythm["idle_share"] = idle / life.where(life > 0)
    return rhythm


churn_features = FeatureService(
    name="churn_features",
    features=[customer_orders, customer_history, customer_rhythm],
    description="Everything known about a customer: what the churn and value models are trained on.",
    tags={"domain": "customers"},
    owner=OWNER,
)

churn_features_online = FeatureService(
    name="churn_features_online",
    features=[customer_orders],
    description="The part of `churn_features` that is kept in the online store.",
    tags={"domain": "customers"},
    owner=OWNER,
)
