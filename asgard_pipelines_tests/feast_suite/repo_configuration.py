"""What Feast's own suite is told of our offline store: where it puts the rows that a test reads.

Iceberg tables of the house's catalog and of another one, and Parquet files. The suite imports this
module, from within a copy of Feast's repository (`make feast-suite`).
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from feast.feature_logging import LoggingDestination
from feast.infra.data_sources.contrib.iceberg_catalog import IcebergSource
from feast.repo_config import RegistryConfig
from feast.saved_dataset import SavedDatasetStorage
from pyiceberg.catalog import load_catalog
from tests.universal.feature_repos.universal.data_source_creator import DataSourceCreator
from tests.universal.feature_repos.universal.data_sources.file import FileDataSourceCreator

from asgard_pipelines.features.offline_store import IcebergOfflineStoreConfig
from asgard_pipelines.features.offline_store.saved_rows import IcebergLoggingDestination, IcebergStorage
from asgard_pipelines.features.sources import GoldSource
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.settings import Settings


class IcebergDataSourceCreator(DataSourceCreator):
    """Tables of the house's catalog, which lies in a folder of its own while the test runs."""

    def __init__(self, project_name: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(project_name)
        self.home = tempfile.TemporaryDirectory(prefix=project_name)

    def setup(self, registry: RegistryConfig) -> None:
        self.before = os.environ.get("ASGARD_HOME")
        os.environ["ASGARD_HOME"] = self.home.name

    def create_data_source(
        self,
        df: pd.DataFrame,
        destination_name: str,
        created_timestamp_column: str | None = "created_ts",
        field_mapping: dict[str, str] | None = None,
        timestamp_field: str | None = "ts",
    ) -> Any:
        table = f"{self.project_name}.{destination_name}".replace(".", "_")
        Lakehouse(Settings.read()).append(f"suite.{table}", arrow(df), key="made")
        return GoldSource(
            namespace="suite",
            table=table,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            field_mapping=field_mapping or {"ts_1": "ts"},
        )

    def create_offline_store_config(self) -> IcebergOfflineStoreConfig:
        return IcebergOfflineStoreConfig()

    def create_saved_dataset_destination(self) -> SavedDatasetStorage:
        return IcebergStorage(f"suite.{self.project_name}_saved")

    def create_logged_features_destination(self) -> LoggingDestination:
        return IcebergLoggingDestination(table=f"suite.{self.project_name}_logs")

    def teardown(self) -> None:
        if self.before is None:
            del os.environ["ASGARD_HOME"]
        else:
            os.environ["ASGARD_HOME"] = self.before
        self.home.cleanup()


class OtherCatalogDataSourceCreator(IcebergDataSourceCreator):
    """Feast's own `IcebergSource`, in a catalog that the house knows nothing of."""

    def create_data_source(
        self,
        df: pd.DataFrame,
        destination_name: str,
        created_timestamp_column: str | None = "created_ts",
        field_mapping: dict[str, str] | None = None,
        timestamp_field: str | None = "ts",
    ) -> Any:
        home = Path(self.home.name)
        properties = {"uri": f"sqlite:///{home / 'other.db'}", "warehouse": f"file://{home / 'other'}"}
        catalog = load_catalog("other", type="sql", **properties)
        catalog.create_namespace_if_not_exists("shop")
        table = f"{self.project_name}.{destination_name}".replace(".", "_")
        rows = arrow(df)
        catalog.create_table(f"shop.{table}", rows.schema).append(rows)
        return IcebergSource(
            catalog_type="sql",
            catalog_name="other",
            endpoint=properties["uri"],
            warehouse=properties["warehouse"],
            namespace="shop",
            table=table,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            field_mapping=field_mapping or {"ts_1": "ts"},
        )


class ParquetDataSourceCreator(FileDataSourceCreator):  # type: ignore[misc]
    """Parquet files, as Feast's own creator writes them."""

    def create_offline_store_config(self) -> IcebergOfflineStoreConfig:
        return IcebergOfflineStoreConfig()


def arrow(df: pd.DataFrame) -> pa.Table:
    """The frame's rows; Iceberg holds no nanoseconds."""
    table = pa.Table.from_pandas(df, preserve_index=False).replace_schema_metadata(None)
    fields = [
        field.with_type(pa.timestamp("us", field.type.tz)) if pa.types.is_timestamp(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields), safe=False)


AVAILABLE_OFFLINE_STORES = [
    ("local", IcebergDataSourceCreator),
    ("local", OtherCatalogDataSourceCreator),
    ("local", ParquetDataSourceCreator),
]
AVAILABLE_ONLINE_STORES = {"sqlite": ({"type": "sqlite"}, None)}

# A few tests are marked for the file store alone, for what other stores left undone. Ours takes them too.
sys.modules["tests.universal.feature_repos.repo_configuration"].OFFLINE_STORE_TO_PROVIDER_CONFIG["file"] = (
    "local",
    ParquetDataSourceCreator,
)
