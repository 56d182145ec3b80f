"""Subscribers who may leave: the views of the integration guide, on synthetic data."""

from datetime import timedelta

import pandas as pd
from feast import FeatureService, FeatureView, Field
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String

from asgard_pipelines.features import gold
from views.customers import customer

OWNER = "team:ml"
TAGS = {"domain": "churn", "version": "v1", "owner": "ml-team"}

# As long as a value may be believed follows from how often it is said anew.
EVERY_MONTH = timedelta(days=31)
EVERY_YEAR = timedelta(days=365)

customer_behavior_features = FeatureView(
    name="customer_behavior_features",
    entities=[customer],
    ttl=EVERY_MONTH,
    schema=[
        Field(name="customer_tenure_months", dtype=Int64, description="Whole months as a subscriber."),
        Field(name="customer_monthly_charges", dtype=Float64, description="Dollars a month, as agreed now."),
        Field(name="customer_total_charges", dtype=Float64, description="Dollars charged so far."),
        Field(name="customer_support_tickets", dtype=Int64, description="Tickets of the last three months."),
    ],
    source=gold("customer_features", timestamp_field="event_timestamp"),
    online=True,
    description="Tenure, charges and support tickets at the first instant of each month.",
    tags=TAGS,
    owner=OWNER,
)

customer_demographics_features = FeatureView(
    name="customer_demographics_features",
    entities=[customer],
    ttl=EVERY_YEAR,
    schema=[
        Field(name="customer_age", dtype=Int64, description="Years."),
        Field(name="customer_gender", dtype=String),
        Field(name="customer_location", dtype=String, description="City."),
    ],
    source=gold("customer_demographics", timestamp_field="event_timestamp"),
    online=True,
    description="Age, gender and location, from each birthday and each move on.",
    tags=TAGS,
    owner=OWNER,
)

customer_contract_features = FeatureView(
    name="customer_contract_features",
    entities=[customer],
    ttl=EVERY_YEAR,
    schema=[
        Field(name="contract_type", dtype=String, description="month-to-month, one-year or two-year."),
        Field(name="contract_payment_method", dtype=String),
    ],
    source=gold("customer_contract", timestamp_field="event_timestamp"),
    online=True,
    description="Contract type and payment method, from each change and each anniversary on.",
    tags=TAGS,
    owner=OWNER,
)


@on_demand_feature_view(
    sources=[customer_behavior_features, customer_contract_features],
    # Feast compares these with what the function returns, and a description would make them differ.
    schema=[
        Field(name="customer_average_charges", dtype=Float64),
        Field(name="customer_charges_trend", dtype=Float64),
        Field(name="customer_tickets_per_month", dtype=Float64),
        Field(name="contract_is_monthly", dtype=Float64),
    ],
    mode="pandas",
    description=(
        "Dollars charged per month so far (null in the first month), how today's charges compare with that, "
        "tickets a month, and 1 if the contract can be left at any month's end."
    ),
    tags=TAGS,
    owner=OWNER,
)
def customer_derived_features(inputs: pd.DataFrame) -> pd.DataFrame:
    tenure = inputs["customer_tenure_months"].astype("float64")
    derived = pd.DataFrame(index=inputs.index)
    derived["customer_average_charges"] = inputs["customer_total_charges"].astype("float64") / tenure.where(
        tenure > 0
    )
    derived["customer_charges_trend"] = (
        inputs["customer_monthly_charges"].astype("float64") / derived["customer_average_charges"]
    )
    derived["customer_tickets_per_month"] = inputs["customer_support_tickets"].astype("float64") / 3
    contract = inputs["contract_type"]
    derived["contract_is_monthly"] = (contract == "month-to-month").astype("float64").where(contract.notna())
    return derived


churn_prediction_v1 = FeatureService(
    name="churn_prediction_v1",
    features=[
        customer_behavior_features,
        customer_demographics_features,
        customer_contract_features,
        customer_derived_features,
    ],
    description="All that is known of a subscriber: what churn models are trained on.",
    tags=TAGS,
    owner=OWNER,
)

churn_prediction_online = FeatureService(
    name="churn_prediction_online",
    features=[customer_behavior_features, customer_demographics_features[["customer_age"]]],
    description="The numbers among them that are stored, for predictions at once: nothing is computed.",
    tags=TAGS,
    owner=OWNER,
)
