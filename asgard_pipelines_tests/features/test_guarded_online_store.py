"""Feast's own commands over our online store, in a project of ours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, PushSource, RepoConfig
from feast.data_source import PushMode
from feast.types import Array, Float64, UnixTimestamp

from asgard_pipelines.features import gold
from asgard_pipelines.features.online import online_store
from asgard_pipelines.features.online.keys import key_encoder
from asgard_pipelines.features.online.store import ViewRead
from asgard_pipelines.features.online.value_reading import ValueReader
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.features.plain_feast import HOUR, NOON, driver, put, stats_view, table


@pytest.fixture
def feast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    monkeypatch.setenv("ASGARD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ASGARD_ONLINE_STORE", raising=False)
    return FeatureStore(
        config=RepoConfig(
            project="plain",
            provider="local",
            registry=str(tmp_path / "registry.db"),
            offline_store={"type": "asgard_pipelines.features.offline_store.IcebergOfflineStore"},
            online_store={"type": "asgard_pipelines.features.online.GuardedOnlineStore"},
            entity_key_serialization_version=3,
            repo_path=tmp_path,
        )
    )


def _stats(trips: list[int], times: list[datetime], key: str) -> None:
    put("gold.stats", table(driver_id=[1] * len(trips), at=times, trips=trips), key)


def _trips(feast: FeatureStore) -> int | None:
    found: int | None = feast.get_online_features(["stats:trips"], [{"driver_id": 1}]).to_dict()["trips"][0]
    return found


def _applied(feast: FeatureStore, *more: Entity | FeatureView | PushSource) -> None:
    feast.apply([driver, *(more or [stats_view(ttl=timedelta(days=365))])])


def test_materialize_of_an_older_window_does_not_take_a_value_back(feast: FeatureStore) -> None:
    _stats([1, 2], [NOON, NOON + 2 * HOUR], "first")
    _applied(feast)
    zoned = NOON.replace(tzinfo=UTC)
    feast.materialize(zoned + HOUR, zoned + 3 * HOUR)
    assert _trips(feast) == 2
    feast.materialize(zoned - HOUR, zoned + HOUR)
    assert _trips(feast) == 2


def test_materialize_incremental(feast: FeatureStore) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    _stats([1], [now - 3 * HOUR], "first")
    _applied(feast)
    feast.materialize_incremental(now.replace(tzinfo=UTC) - 2 * HOUR)
    assert _trips(feast) == 1
    _stats([2], [now - HOUR], "second")
    feast.materialize_incremental(now.replace(tzinfo=UTC))
    assert _trips(feast) == 2


def test_materialize_of_columns_narrower_than_their_features_and_of_nulls(feast: FeatureStore) -> None:
    """Feast does not convert what its offline store gives, and has two ways to say that there is no time."""
    columns = {
        "driver_id": pa.array([1, 2]),
        "at": pa.array([NOON, NOON], pa.timestamp("us")),
        "made": pa.array([None, NOON], pa.timestamp("us")),
        "rating": pa.array([0.5, None], pa.float32()),
        "ratings": pa.array([[0.5], None], pa.list_(pa.float32())),
        "fare": pa.array([Decimal("14.79"), None], pa.decimal128(6, 2)),
        "since": pa.array([date(2020, 2, 29), None]),
        "seen": pa.array([None, NOON], pa.timestamp("us")),
    }
    put("gold.stats", pa.table(columns))
    types: dict[str, Any] = {"rating": Float64, "ratings": Array(Float64), "fare": Float64}
    types |= {"since": UnixTimestamp, "seen": UnixTimestamp}
    view = stats_view(
        gold("stats", timestamp_field="at", created_timestamp_column="made"),
        schema=[Field(name=name, dtype=dtype) for name, dtype in types.items()],
        ttl=timedelta(days=365),
    )
    _applied(feast, view)
    zoned = NOON.replace(tzinfo=UTC)
    feast.materialize(zoned - HOUR, zoned + HOUR)
    reader = online_store(Settings.read(), "plain").reader([ViewRead("stats", tuple(types))])
    keys = key_encoder({"driver_id": "int64"})([[1, 2]])
    values = [one for row in reader.fetch([keys])[0] if row for one in row[1]]
    dtypes = ["float64", "array<float64>", "float64", "timestamp", "timestamp"]
    rating, ratings, fare, since, seen = ValueReader(dtypes).columns(values)
    assert (rating, ratings, fare) == ([0.5, None], [[0.5], None], [14.79, None])
    assert (since, seen) == ([datetime(2020, 2, 29), None], [None, NOON])


def test_a_late_push_does_not_land(feast: FeatureStore) -> None:
    _stats([1], [NOON], "first")
    pushed = PushSource(name="pushed", batch_source=gold("stats", timestamp_field="at"))
    _applied(feast, pushed, stats_view(pushed))
    for trips, at in [(5, NOON + HOUR), (6, NOON), (7, NOON + HOUR)]:
        feast.push(
            "pushed", pd.DataFrame({"driver_id": [1], "trips": [trips], "at": [at]}), to=PushMode.ONLINE
        )
    assert _trips(feast) == 7
