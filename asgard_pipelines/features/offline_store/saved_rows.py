"""Saved datasets and logged features as Iceberg tables; saving the rows of a retrieval."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import pyarrow as pa
from feast.data_format import ParquetFormat
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.feature_logging import LOG_TIMESTAMP_FIELD, LoggingDestination
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.infra.offline_stores.offline_utils import DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from feast.protos.feast.core.FeatureService_pb2 import LoggingConfig as LoggingConfigProto
from feast.protos.feast.core.SavedDataset_pb2 import SavedDatasetStorage as SavedDatasetStorageProto
from feast.saved_dataset import SavedDatasetStorage

from asgard_pipelines.errors import Unsupported
from asgard_pipelines.features.offline_store.parquet_writing import local_path, write_file
from asgard_pipelines.features.sources import GoldSource, gold
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.settings import Settings

Rows = Callable[[], pa.RecordBatchReader]


class IcebergStorage(SavedDatasetStorage):
    """A saved dataset as a table of the house's catalog.

    Args:
        table: `t`, `schema.t` or `iceberg.schema.t`; a bare name goes to the gold schema.
    """

    _proto_attr_name = "custom_storage"

    def __init__(self, table: str) -> None:
        self.table = table

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IcebergStorage) and self.table == other.table

    def __hash__(self) -> int:
        return hash(self.table)

    @staticmethod
    def from_proto(storage_proto: SavedDatasetStorageProto) -> IcebergStorage:
        return IcebergStorage(json.loads(storage_proto.custom_storage.configuration)["table"])

    def to_proto(self) -> SavedDatasetStorageProto:
        configuration = json.dumps({"table": self.table}).encode()
        return self._custom_storage_proto(DataSourceProto.CustomSourceOptions(configuration=configuration))

    def to_data_source(self) -> GoldSource:
        return gold(self.table, timestamp_field=DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL)

    @staticmethod
    def from_data_source(data_source: Any) -> IcebergStorage:
        if not isinstance(data_source, GoldSource):
            raise Unsupported(f"Source '{data_source.name}' is no table of the house's catalog.")
        return IcebergStorage(data_source.qualified)


class IcebergLoggingDestination(LoggingDestination):
    """Logged features as a table of the house's catalog; `table` as for `IcebergStorage`."""

    _proto_kind = "asgard_iceberg"

    def __init__(self, *, table: str) -> None:
        self.table = table

    @classmethod
    def from_proto(cls, config_proto: LoggingConfigProto) -> IcebergLoggingDestination:
        return cls(table=config_proto.custom_destination.config["table"])

    def to_proto(self) -> LoggingConfigProto:
        custom = LoggingConfigProto.CustomDestination(kind=self._proto_kind, config={"table": self.table})
        return LoggingConfigProto(custom_destination=custom)

    def to_data_source(self) -> GoldSource:
        return gold(self.table, timestamp_field=LOG_TIMESTAMP_FIELD)


def save(repo: Any, storage: Any, rows: Rows, reads: Sequence[Pin], *, allow_overwrite: bool) -> None:
    """Writes a saved dataset; what it was read from stands in the table's snapshot.

    Raises:
        SavedDatasetLocationAlreadyExists: Feast's own; something is there, and it is not to be replaced.
        Unsupported: storage that is no Iceberg table and no Parquet file.
    """
    if isinstance(storage, IcebergStorage):
        lakehouse = Lakehouse(Settings.read())
        table = storage.to_data_source().qualified
        if lakehouse.exists(table) and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=table)
        noted = {"asgard.reads": json.dumps([[pin.table, pin.snapshot_id] for pin in reads])}
        lakehouse.overwrite(table, rows, key=uuid4().hex, properties=noted)
        return
    if not isinstance(storage, SavedDatasetFileStorage) or not isinstance(
        storage.file_options.file_format or ParquetFormat(), ParquetFormat
    ):
        raise Unsupported(
            f"A dataset cannot be saved to {type(storage).__name__}: give IcebergStorage(table) or "
            "SavedDatasetFileStorage(path) of Parquet."
        )
    place = local_path(repo, storage.file_options.uri)
    if place.exists() and not allow_overwrite:
        raise SavedDatasetLocationAlreadyExists(location=storage.file_options.uri)
    if place.suffix == ".parquet":
        write_file(place, rows())
    else:
        older = list(place.rglob("*.parquet"))
        write_file(place / f"{uuid4().hex}.parquet", rows())
        for file in older:
            file.unlink()
