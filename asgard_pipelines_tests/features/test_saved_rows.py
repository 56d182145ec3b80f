"""Saved datasets and logged features, as tables of the lakehouse and as Parquet files."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureService, FeatureStore, Field
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.feature_logging import FeatureServiceLoggingSource, LoggingConfig
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SavedDatasetSparkStorage
from feast.infra.offline_stores.file_source import FileLoggingDestination, SavedDatasetFileStorage
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Int64

from asgard_pipelines.errors import Unsupported
from asgard_pipelines.features import IcebergLoggingDestination, IcebergStorage
from asgard_pipelines.features.offline_store.parquet_writing import write_file
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.features.plain_feast import NOON, asked, driver, feast_store, stats, stats_view

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*is an experimental feature:RuntimeWarning"),
]


@pytest.fixture
def store(settings: Settings, tmp_path: Path) -> FeatureStore:
    """With gold.stats, a view on it, and an on-demand view on that."""
    opened = feast_store(tmp_path)
    view = stats_view()

    @on_demand_feature_view(sources=[view], schema=[Field(name="twice", dtype=Int64)])
    def doubled(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"twice": inputs["trips"] * 2})

    stats(10, 20)
    opened.apply([driver, view, doubled])
    return opened


def job(store: FeatureStore) -> Any:
    return store.get_historical_features(asked(2, 1), ["stats:trips", "doubled:twice"])


@pytest.mark.parametrize("kind", ["table", "file", "folder"])
def test_a_dataset_is_saved_and_read_back_and_not_replaced_unasked(
    store: FeatureStore, tmp_path: Path, settings: Settings, kind: str
) -> None:
    storage = {
        "table": IcebergStorage("training.first"),
        "file": SavedDatasetFileStorage("saved/one.parquet"),
        "folder": SavedDatasetFileStorage(str(tmp_path / "saved" / "folder")),
    }[kind]
    store.create_saved_dataset(job(store), "first", storage)
    stats(30, 40, key="second")
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        store.create_saved_dataset(job(store), "first", storage)
    again = feast_store(tmp_path)  # reads the storage from the registry
    assert again.get_saved_dataset("first").to_df()[["driver_id", "trips", "twice"]].values.tolist() == [
        [2, 20, 40],
        [1, 10, 20],
    ]
    store.create_saved_dataset(job(store), "first", storage, allow_overwrite=True)
    assert feast_store(tmp_path).get_saved_dataset("first").to_df()["trips"].tolist() == [40, 30]


def test_a_saved_table_says_what_it_was_made_of(store: FeatureStore, settings: Settings) -> None:
    made = job(store)
    made.persist(IcebergStorage("training.first"))
    lakehouse = Lakehouse(settings)
    summary = lakehouse.summary(lakehouse.pin("training.first"))
    assert json.loads(summary["asgard.reads"]) == [["gold.stats", made.reads[0].snapshot_id]]


def test_storage_of_another_kind_is_refused(store: FeatureStore) -> None:
    with pytest.raises(Unsupported, match="cannot be saved to SavedDatasetSparkStorage"):
        job(store).persist(SavedDatasetSparkStorage(table="t"))
    with pytest.raises(Unsupported, match="is not on this machine"):
        job(store).persist(SavedDatasetFileStorage("s3://bucket/x"))


def test_a_file_that_cannot_be_written_to_its_end_does_not_appear(
    store: FeatureStore, tmp_path: Path
) -> None:
    def broken() -> Any:
        yield from pa.table({"a": [1]}).to_batches()
        raise KeyError("the source is gone")

    rows = pa.RecordBatchReader.from_batches(pa.schema({"a": pa.int64()}), broken())
    with pytest.raises(KeyError):
        write_file(tmp_path / "out" / "x.parquet", rows)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("kind", ["table", "folder", "partitioned"])
def test_logged_features_are_kept_and_read_back(store: FeatureStore, tmp_path: Path, kind: str) -> None:
    folder = str(tmp_path / "logs")
    destination = {
        "table": IcebergLoggingDestination(table="logs.served"),
        "folder": FileLoggingDestination(path=folder),
        "partitioned": FileLoggingDestination(path=folder, partition_by=["__log_date"]),
    }[kind]
    view = store.get_feature_view("stats")
    store.apply(FeatureService(name="served", features=[view], logging_config=LoggingConfig(destination)))
    again = feast_store(tmp_path)  # reads the destination from the registry
    service = again.get_feature_service("served")
    schema = FeatureServiceLoggingSource(service, "plain").get_schema(again.registry)
    for number in range(3):
        at = NOON + number * timedelta(days=1)
        values = {
            "driver_id": 1, "stats__trips": number, "stats__trips__timestamp": at, "stats__trips__status": 2,
            "__log_timestamp": at, "__log_date": at.date(), "__request_id": str(number),
        }  # fmt: skip
        rows = pa.Table.from_pylist([values], schema)
        if number == 1:  # as a folder of files, as the Go server gives it
            (tmp_path / "chunk").mkdir()
            pq.write_table(rows, tmp_path / "chunk" / "a.parquet")
            again.write_logged_features(tmp_path / "chunk", service)
        else:
            again.write_logged_features(rows, service)
    read = again._get_provider().retrieve_feature_service_logs(
        service, NOON, NOON + timedelta(days=1), again.config, again.registry
    )
    assert sorted(read.to_df()["stats__trips"]) == [0, 1]
    if kind == "partitioned":
        assert len(list((tmp_path / "logs").glob("__log_date=2026-03-0[123]"))) == 3
