"""A plain Feast program over our offline store: a store of its own, and a table about drivers."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from feast import Entity, FeatureStore, FeatureView, Field, RepoConfig, ValueType
from feast.types import Int64

from asgard_pipelines.features import gold
from asgard_pipelines.lakehouse import Commit, Lakehouse
from asgard_pipelines.settings import Settings

NOON = datetime(2026, 3, 1, 12)
HOUR = timedelta(hours=1)

driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)


def feast_store(folder: Path) -> FeatureStore:
    """As `FeatureStore(repo_path=folder)` would open it; called again, it reads what was applied."""
    return FeatureStore(
        config=RepoConfig(
            project="plain",
            provider="local",
            registry=str(folder / "registry.db"),
            offline_store={"type": "asgard_pipelines.features.offline_store.IcebergOfflineStore"},
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            entity_key_serialization_version=3,
            repo_path=folder,
        )
    )


def table(**columns: Any) -> pa.Table:
    """Lists of datetimes become naive microseconds, which mean UTC."""

    def array(values: Any) -> Any:
        times = isinstance(values, list) and any(isinstance(value, datetime) for value in values)
        return pa.array(values, pa.timestamp("us")) if times else pa.array(values)

    return pa.table({name: array(values) for name, values in columns.items()})


def put(name: str, rows: pa.Table, key: str = "first") -> Commit:
    return Lakehouse(Settings.read()).append(name, rows, key=key)


def stats(*trips: int | None, key: str = "first", at: datetime = NOON) -> Commit:
    """Trips of drivers 1, 2, … as of `at`, into gold.stats."""
    ids = list(range(1, len(trips) + 1))
    return put("gold.stats", table(driver_id=ids, at=[at] * len(ids), trips=list(trips)), key)


def stats_view(source: Any = None, **changes: Any) -> FeatureView:
    given: dict[str, Any] = {
        "name": "stats",
        "entities": [driver],
        "schema": [Field(name="driver_id", dtype=Int64), Field(name="trips", dtype=Int64)],
        "source": source or gold("stats", timestamp_field="at"),
        "ttl": timedelta(days=1),
    }
    return FeatureView(**given | changes)


def asked(*ids: Any, at: Any = NOON + HOUR, **more: Any) -> pd.DataFrame:
    """Rows for these drivers, all as of `at`, or each as of its own."""
    times = [at] * len(ids) if isinstance(at, datetime) else at
    return pd.DataFrame({"driver_id": list(ids), "event_timestamp": times} | more)
