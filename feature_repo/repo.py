"""The one module Feast scans: whatever is imported here is part of the repo."""

from feast import Project
from views.customers import (
    churn_features,
    churn_features_online,
    customer,
    customer_history,
    customer_orders,
    customer_rhythm,
)
from views.production import production_conditions, production_run, quality_features

project = Project(
    name="asgard_demo",  # as in feature_store.yaml
    description="Customers who may leave, and production runs that may fail.",
)

__all__ = [
    "churn_features",
    "churn_features_online",
    "customer",
    "customer_history",
    "customer_orders",
    "customer_rhythm",
    "production_conditions",
    "production_run",
    "project",
    "quality_features",
]
