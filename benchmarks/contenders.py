"""Who is measured: each opens a lakehouse, untimed, and then answers frames of asked rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow as pa
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.infra.data_sources.contrib.iceberg_catalog import IcebergSource
from feast.repo_config import RegistryConfig, RepoConfig
from feast.types import Float64, Int64, String
from pyarrow.dataset import dataset

from benchmarks.lakes import Lake
from benchmarks.shapes import FEATURES, TINY, VIEWS, View

Answer = Callable[[list[View], pd.DataFrame], pa.Table]
"""The features of these views for each of these rows. This call is what is timed."""


def _feast(offline_store: str, source: Callable[[Lake, View], DataSource]) -> Callable[[Lake], Answer]:
    def open_store(lake: Lake) -> Answer:
        folder = TemporaryDirectory()
        store = FeatureStore(
            config=RepoConfig(
                project="benchmark",
                provider="local",
                registry=RegistryConfig(path=f"{folder.name}/registry.db", cache_ttl_seconds=0),
                online_store={"type": "sqlite", "path": f"{folder.name}/online.db"},
                offline_store={"type": offline_store},
                entity_key_serialization_version=3,
                repo_path=Path(folder.name),
            )
        )
        entities = [Entity(name=key, join_keys=[key], value_type=_kind(key)) for key in lake.shape.keys]
        store.apply([*entities, *(_view(view, entities, source(lake, view)) for view in (TINY, *VIEWS))])

        def answer(views: list[View], asked: pd.DataFrame) -> pa.Table:
            refs = [f"{view.name}:{feature}" for view in views for feature in view.features]
            return store.get_historical_features(entity_df=asked, features=refs).to_arrow()

        answer.folder = folder  # type: ignore[attr-defined]  # lives as long as the answer
        return answer

    return open_store


def _kind(key: str) -> ValueType:
    return ValueType.INT64 if key == "customer_id" else ValueType.STRING


def _view(view: View, entities: list[Entity], source: DataSource) -> FeatureView:
    keys = [Field(name=e.join_key, dtype=Int64 if e.join_key == "customer_id" else String) for e in entities]
    half = FEATURES // 2
    fields = [
        Field(name=name, dtype=Float64 if number < half else Int64)
        for number, name in enumerate(view.features)
    ]
    return FeatureView(
        name=view.name, entities=entities, ttl=view.ttl, schema=[*keys, *fields], source=source, online=False
    )


def _iceberg(lake: Lake, view: View) -> DataSource:
    return IcebergSource(
        name=f"{view.name}_source",
        catalog_type="sql",
        catalog_name="iceberg",
        catalog_properties=lake.properties,
        warehouse=lake.properties["warehouse"],
        namespace="gold",
        table=view.name,
        timestamp_field="event_timestamp",
        created_timestamp_column="created",
    )


def _parquet(folder_or_pattern: str) -> Callable[[Lake, View], DataSource]:
    def source(lake: Lake, view: View) -> DataSource:
        return FileSource(
            name=f"{view.name}_source",
            path=str(lake.warehouse / "gold" / view.name / folder_or_pattern),
            file_format=ParquetFormat(),
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
        )

    return source


def _floor(lake: Lake) -> Answer:
    """Reading the columns that the join needs into Arrow, with pyarrow's own reader, and no join."""
    files = {view.name: lake.files(view.name) for view in (TINY, *VIEWS)}

    def answer(views: list[View], asked: pd.DataFrame) -> pa.Table:
        tables = [dataset(files[v.name]).to_table(columns=_needed(lake, v)) for v in views]
        return tables[-1]

    return answer


def _streamed_floor(lake: Lake) -> Answer:
    """The same, but a file at a time: none is held while the next is read."""
    files = {view.name: lake.files(view.name) for view in (TINY, *VIEWS)}

    def answer(views: list[View], asked: pd.DataFrame) -> pa.Table:
        for view in views:
            for file in files[view.name]:
                table = dataset(file).to_table(columns=_needed(lake, view))
        return table

    return answer


def _needed(lake: Lake, view: View) -> list[str]:
    return [*lake.shape.keys, "event_timestamp", "created", *view.features]


def _ours(lake: Lake) -> Answer:
    return _feast("asgard_pipelines.features.offline_store.IcebergOfflineStore", _iceberg)(lake)


CONTENDERS: Mapping[str, Callable[[Lake], Answer]] = {
    "ours": _ours,
    "duckdb+iceberg": _feast("duckdb", _iceberg),
    "duckdb+parquet": _feast("duckdb", _parquet("data/*.parquet")),
    "file": _feast("file", _parquet("data")),
    "floor": _floor,
    "floor, streamed": _streamed_floor,
}
