"""The one module Feast scans: whatever is imported here is part of the repo."""

from feast import Project
from views.churn import (
    churn_prediction_online,
    churn_prediction_v1,
    customer_behavior_features,
    customer_contract_features,
    customer_demographics_features,
    customer_derived_features,
)
from views.customers import (
    churn_features,
    churn_features_online,
    customer,
    customer_history,
    customer_orders,
    customer_rhythm,
)
from views.production import production_conditions, production_run, quality_features

# Asgard about itself: its runs, its users, the services it stands on.
from asgard_pipelines.features.platform_views import (
    connector,
    connector_features,
    pipeline,
    pipeline_features,
    user,
    user_features,
)

project = Project(
    name="asgard_demo",  # as in feature_store.yaml
    description="Customers who may leave, and production runs that may fail.",
)

__all__ = [
    "churn_features",
    "churn_features_online",
    "churn_prediction_online",
    "churn_prediction_v1",
    "connector",
    "connector_features",
    "customer",
    "customer_behavior_features",
    "customer_contract_features",
    "customer_demographics_features",
    "customer_derived_features",
    "customer_history",
    "customer_orders",
    "customer_rhythm",
    "pipeline",
    "pipeline_features",
    "production_conditions",
    "production_run",
    "project",
    "quality_features",
    "user",
    "user_features",
]
