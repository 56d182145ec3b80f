"""What the OpenAPI shows as an example of each body: one story, from features to a prediction."""

from __future__ import annotations

from typing import Any

FEATURE_VIEW: dict[str, Any] = {
    "name": "customer_features",
    "entities": ["customer_id"],
    "features": [
        {"name": "total_orders", "dtype": "int64", "description": "Orders until then"},
        {"name": "total_spent", "dtype": "float64"},
    ],
    "source": {
        "table_name": "customer_aggregates",
        "timestamp_field": "updated_at",
        "catalog": "iceberg",
        "schema": "gold",
    },
    "ttl_seconds": 86400,
    "online": True,
    "description": "What is known of a customer",
    "tags": {"team": "growth"},
}
FEATURE_SERVICE: dict[str, Any] = {
    "name": "customer_service",
    "feature_views": ["customer_features"],
    "description": "What the churn model reads",
}
MODEL: dict[str, Any] = {
    "name": "churn",
    "framework": "xgboost",
    "model_type": "classification",
    "training_data": {
        "entity_df_source": "customer_labels",
        "label_column": "churned",
        "event_timestamp_column": "as_of",
        "start_date": "2025-01-01T00:00:00Z",
        "end_date": None,
    },
    "feature_views": ["customer_features"],
    "hyperparameters": {"params": {"n_estimators": 100, "max_depth": 4}},
    "description": "Who buys nothing in the next 90 days",
}
PREDICTION: dict[str, Any] = {
    "model_id": "churn",
    "input_table": "customers_of_today",
    "output_table": "churn_predictions",
    "entity_columns": ["customer_id"],
    "feature_views": ["customer_features"],
    "event_timestamp_column": "as_of",
    "prediction_column_name": "churn_probability",
}
