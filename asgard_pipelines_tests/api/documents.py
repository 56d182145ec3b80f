"""The bodies of document 000 as printed, and the tables that they speak of."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

CREATE_FEATURE_VIEW: dict[str, Any] = {
    "name": "customer_features",
    "entities": ["customer_id"],
    "features": [
        {"name": "total_orders", "dtype": "int64", "description": "Total number of orders"},
        {"name": "total_spent", "dtype": "float64", "description": "Total amount spent"},
        {"name": "avg_order_value", "dtype": "float64", "description": "Average order value"},
    ],
    "source": {
        "table_name": "customer_features",
        "timestamp_field": "created_at",
        "catalog": "iceberg",
        "schema": "gold",
    },
    "ttl_seconds": 86400,
    "online": False,
    "description": "Customer behavioral features",
}
TRAIN_MODEL: dict[str, Any] = {
    "name": "customer_churn_predictor",
    "framework": "sklearn",
    "model_type": "classification",
    "training_data": {
        "entity_df_source": "customer_features",
        "label_column": "churned",
        "event_timestamp_column": "created_at",
        "start_date": "2024-01-01T00:00:00Z",
        "end_date": "2024-12-31T23:59:59Z",
    },
    "hyperparameters": {
        "params": {"n_estimators": 100, "max_depth": 10, "random_state": 42, "class_weight": "balanced"}
    },
    "test_size": 0.2,
    "description": "Random Forest classifier for churn prediction",
}
BATCH_PREDICTIONS: dict[str, Any] = {
    "model_id": "churn_predictor_20251014_100500",
    "input_table": "customers_to_score",
    "entity_columns": ["customer_id"],
    "feature_views": ["customer_features"],
    "output_table": "churn_predictions",
    "output_schema": "gold",
    "prediction_column_name": "churn_probability",
    "event_timestamp_column": "created_at",
}


def altered(body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The body with other fields; `training_data__label_column` is one within another."""
    made = deepcopy(body)
    for name, value in fields.items():
        *outer, last = name.split("__")
        place = made
        for part in outer:
            place = place[part]
        place[last] = value
    return made


def customer_features(count: int = 300) -> pa.Table:
    """The ML-ready table; who orders little leaves."""
    random = np.random.default_rng(7)
    orders = random.integers(0, 20, count)
    spent = random.gamma(2.0, 50.0, count)
    times = [datetime(2024, 1, 2) + timedelta(days=int(day)) for day in random.integers(0, 360, count)]
    return pa.table(
        {
            "customer_id": [f"C{number:03}" for number in range(count)],
            "total_orders": pa.array(orders, pa.int64()),
            "total_spent": spent,
            "avg_order_value": spent / (orders + 1),
            "created_at": pa.array(times, pa.timestamp("us")),
            "churned": pa.array(orders + random.normal(0, 4, count) < 8),
            "lifetime_value": spent * 3 + orders,
        }
    )


def customers_to_score() -> pa.Table:
    """Some of the same customers, at the times of their features."""
    return customer_features().slice(0, 40).select(["customer_id", "created_at"])
