"""The tables that Asgard fills about itself: its runs, its users, the services that it stands on.

They are what a project's views may be declared on like on any other table (`features/platform_views.py`
does); each holds a row for every key and time at which it was filled.
"""

from __future__ import annotations

from asgard_pipelines.declarations.declared import ColumnType, Where
from asgard_pipelines.declarations.gold import GoldTable

DESCRIBED_AT = "described_at"
"""The event time's column in each of them."""

_TABLES: dict[str, tuple[str, str, dict[str, ColumnType]]] = {
    "pipeline_activity": (
        "pipeline_id",
        "Jobs and assets: how their runs of the last 7 days went. From Dagster's history.",
        {
            "success_rate_7d": "float64",
            "avg_duration_7d": "float64",
            "error_count_7d": "int64",
            "data_volume_trend": "string",
        },
    ),
    "user_activity": (
        "user_id",
        "Who works with Asgard: what they declared and ran in the last 30 days. From declarations and runs.",
        {
            "pipelines_created_30d": "int64",
            "pipelines_executed_30d": "int64",
            "total_data_processed_gb": "float64",
            "avg_pipeline_complexity": "float64",
        },
    ),
    "connector_activity": (
        "connector_id",
        "Catalog, stores, engine and databases: how they answered in the last 7 days. From health probes.",
        {
            "uptime_percentage_7d": "float64",
            "avg_query_time_7d": "float64",
            "error_rate_7d": "float64",
            "connection_pool_usage": "float64",
        },
    ),
}


def platform_table(name: str, schema: str) -> GoldTable | None:
    """The declaration of such a table in the gold schema; None for any other name."""
    if name not in _TABLES:
        return None
    key, description, features = _TABLES[name]
    return GoldTable(
        name=name,
        schema_name=schema,
        description=description,
        where=Where(file=""),
        tags={"domain": "platform"},
        external=True,
        about_asgard=True,
        entity=[key],
        timestamp=DESCRIBED_AT,
        columns={key: "string", **features, DESCRIBED_AT: "timestamp"},
    )
