"""The tables that each of the documents speaks of, with rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines_tests.api.documents import customer_features, customers_to_score

DAY = timedelta(days=1)


def lay_000(lakehouse: Lakehouse) -> None:
    """The ML-ready table, the same by the name of Example 1, and the production runs of Example 2."""
    table = customer_features()
    last = pa.array(np.random.default_rng(3).integers(0, 120, table.num_rows), pa.int64())
    whole = table.append_column("days_since_last_order", last)
    lakehouse.append("gold.customer_features", whole, key="first")
    lakehouse.append("gold.customer_aggregates", whole, key="first")
    lakehouse.append("gold.customers_to_score", customers_to_score(), key="first")
    lakehouse.append("gold.production_runs", _production_runs(), key="first")


def lay_001(lakehouse: Lakehouse) -> None:
    """Aggregates of customers, and who of them left: known some hours later."""
    table = customer_features()
    aggregates = table.select(["customer_id", "total_orders", "avg_order_value"])
    lakehouse.append(
        "gold.customer_aggregates", aggregates.append_column("updated_at", table["created_at"]), key="first"
    )
    later = [time + timedelta(hours=3) for time in table["created_at"].to_pylist()]
    customers = table.select(["customer_id", "churned"])
    lakehouse.append(
        "gold.customers",
        customers.append_column("snapshot_date", pa.array(later, pa.timestamp("us"))),
        key="first",
    )


def lay_002(lakehouse: Lakehouse) -> None:
    """Aggregates with the columns of "Prepare Gold Layer Table", and orders."""
    times = pa.array([datetime(2025, 11, 2)] * 5, pa.timestamp("us"))
    lakehouse.append(
        "gold.customer_aggregates",
        pa.table(
            {
                "customer_id": [1, 2, 3, 4, 5],
                "total_orders": [3, 1, 4, 1, 5],
                "total_spent": [30.0, 12.5, 99.0, 8.0, 61.0],
                "avg_order_value": [10.0, 12.5, 24.75, 8.0, 12.2],
                "days_since_last_order": pa.array([4, 40, 2, 90, 11], pa.int32()),
                "updated_at": times,
            }
        ),
        key="first",
    )
    orders = {"customer_id": [1, 2, 3, 4, 5], "last_amount": [9.0, 12.5, 20.0, 8.0, 7.5], "updated_at": times}
    lakehouse.append("gold.order_features", pa.table(orders), key="first")


def _production_runs(count: int = 300) -> pa.Table:
    random = np.random.default_rng(5)
    temperature, pressure = random.normal(80, 10, count), random.normal(5, 1, count)
    times = [datetime(2024, 1, 3) + int(day) * DAY for day in random.integers(0, 700, count)]
    return pa.table(
        {
            "production_run_id": [f"R{number:04}" for number in range(count)],
            "temperature": temperature,
            "pressure": pressure,
            "speed": random.normal(100, 20, count),
            "run_start_time": pa.array(times, pa.timestamp("us")),
            "is_defective": pa.array(temperature / 20 + pressure + random.normal(0, 1, count) > 9.5),
        }
    )


def lay_003(lakehouse: Lakehouse) -> None:
    """The values that the document prints: of two customers now, and of two others in January 2024."""
    now = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=10)
    times = [now, now, datetime(2024, 1, 15, 9, 30), datetime(2024, 1, 16, 14)]
    keys = {
        "customer_id": ["cust_12345", "cust_67890", "cust_001", "cust_002"],
        "event_timestamp": pa.array(times, pa.timestamp("us")),
    }
    customers = {
        "age": pa.array([34, 28, 34, 28], pa.int32()),
        "lifetime_value": [2450.50, 890.25, 2450.50, 890.25],
        "segment": ["premium", "standard", "premium", "standard"],
        "days_since_signup": pa.array([427, 156, 200, 10], pa.int32()),
        "tenure_days": pa.array([420, 150, 200, 10], pa.int32()),
        "total_spend_90d": [320.5, 12.0, 50.0, 0.0],
        "support_tickets_90d": pa.array([2, 0, 1, 0], pa.int32()),
        "last_activity_days_ago": pa.array([1, 9, 3, 30], pa.int32()),
    }
    transactions = {
        "total_count_30d": [5, 1, 8, 3],
        "avg_amount_30d": [64.1, 12.0, 156.75, 78.50],
        "count_30d": [5, 1, 8, 3],
    }
    for name, columns in {
        "customer_features": customers,
        "transaction_features": transactions,
        "support_features": {"ticket_count_90d": [2, 0, 1, 0]},
    }.items():
        lakehouse.append(f"gold.{name}", pa.table(keys | columns), key="first")
