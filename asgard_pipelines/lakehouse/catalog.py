"""The Iceberg catalog: opening it, names, and tables as they stood at a snapshot."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog as IcebergCatalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError
from pyiceberg.io import FileIO
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.utils.config import Config
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, OperationalError  # PyIceberg's SQL catalog lets them through

from asgard_pipelines.errors import BackendUnavailable, SnapshotNotFound, TableNotFound
from asgard_pipelines.lakehouse.column_types import arrow_schema, declared_type
from asgard_pipelines.lakehouse.house_catalog import HouseCatalog
from asgard_pipelines.lakehouse.pins import Pin
from asgard_pipelines.settings import CATALOG, Settings
from asgard_pipelines.state import patient

_OPENING_SECONDS = 30.0


@dataclass(frozen=True)
class TableState:
    """A table as it stands now. `columns` maps names to declared types; `updated_at` is UTC."""

    table: str
    snapshot_id: int | None
    rows: int
    columns: dict[str, str]
    updated_at: datetime
    properties: dict[str, str] = field(repr=False)
    location: str = field(repr=False)

    @property
    def pin(self) -> Pin:
        return Pin(self.table, self.snapshot_id)


@dataclass(frozen=True)
class PinnedTable:
    """A table as it stood at a pin: `metadata` has that snapshot's schema as the current one."""

    pin: Pin
    metadata: TableMetadata
    io: FileIO

    @cached_property
    def schema(self) -> Schema:
        return self.metadata.schema()

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        return arrow_schema(self.schema)

    @property
    def snapshot(self) -> Snapshot | None:
        return None if self.pin.snapshot_id is None else self.metadata.snapshot_by_id(self.pin.snapshot_id)


class Catalog:
    """The catalog called `iceberg`, opened at the first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def iceberg(self) -> IcebergCatalog:
        """The opened catalog; the home's folder and the namespace of gold are made when missing."""
        properties = _configured() | _patient(self._settings.catalog_properties)
        deadline = time.monotonic() + _OPENING_SECONDS
        while True:  # processes that open a new catalog together collide on its first tables
            try:
                catalog = HouseCatalog(CATALOG, **properties)
                if catalog.engine.dialect.name == "sqlite":
                    with catalog.engine.connect() as connection:  # who reads need not wait for who lands
                        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                self._make_namespace(catalog, self._settings.gold_schema)
                return catalog
            except OperationalError as error:
                if time.monotonic() > deadline:
                    raise BackendUnavailable(f"The catalog cannot be opened: {error.orig}.") from error
                time.sleep(0.1)

    def _make_namespace(self, catalog: IcebergCatalog, namespace: str) -> None:
        try:
            catalog.create_namespace_if_not_exists(namespace)
        except (NamespaceAlreadyExistsError, IntegrityError):
            return  # another process has just made it

    def make_namespace_of(self, table: str) -> None:
        self._make_namespace(self.iceberg, table.split(".")[0])

    def qualified(self, name: str) -> str:
        """`schema.table` of `t`, `schema.t` or `iceberg.schema.t`, whether it exists or not.

        Raises:
            TableNotFound: the name has another shape, or another catalog's name.
        """
        parts = name.split(".")
        if len(parts) == 3 and parts[0] == CATALOG:
            parts = parts[1:]
        if len(parts) == 1:
            parts = [self._settings.gold_schema, *parts]
        if len(parts) != 2 or not all(parts):
            raise TableNotFound(name, self.names())
        return ".".join(parts)

    def names(self) -> list[str]:
        """Every table, as `schema.table`, sorted."""
        return sorted(
            ".".join(identifier)
            for namespace in self.iceberg.list_namespaces()
            for identifier in self.iceberg.list_tables(namespace)
        )

    def exists(self, name: str) -> bool:
        return self.iceberg.table_exists(self.qualified(name))

    def load(self, name: str) -> Table:
        """The table as it stands now. Raises TableNotFound."""
        table = self.find(name)
        if table is None:
            raise TableNotFound(name, self.names())
        return table

    def find(self, name: str) -> Table | None:
        try:
            return self.iceberg.load_table(self.qualified(name))
        except NoSuchTableError:
            return None

    def pinned(self, pin: Pin) -> PinnedTable:
        """Raises TableNotFound, SnapshotNotFound."""
        return _pinned(self.load(pin.table), pin)

    def both_pinned(self, before: Pin, after: Pin) -> tuple[PinnedTable, PinnedTable]:
        """The metadata of one table at two pins is read once. Raises TableNotFound, SnapshotNotFound."""
        if before.table != after.table:
            return self.pinned(before), self.pinned(after)
        table = self.load(after.table)
        return _pinned(table, before), _pinned(table, after)

    def state(self, name: str) -> TableState:
        """Raises TableNotFound."""
        table = self.load(name)
        snapshot = table.current_snapshot()
        return TableState(
            table=self.qualified(name),
            snapshot_id=snapshot.snapshot_id if snapshot else None,
            rows=_row_count(table, snapshot),
            columns={f.name: declared_type(f.type) for f in arrow_schema(table.schema())},
            updated_at=datetime.fromtimestamp(table.metadata.last_updated_ms / 1000, UTC),
            properties=dict(table.properties),
            location=table.location(),
        )


def _pinned(table: Table, pin: Pin) -> PinnedTable:
    """Raises SnapshotNotFound."""
    metadata = table.metadata
    if pin.snapshot_id is None:
        return PinnedTable(pin, metadata, table.io)
    snapshot = snapshot_of(table, pin.snapshot_id)
    if snapshot.schema_id is not None and snapshot.schema_id != metadata.current_schema_id:
        metadata = metadata.model_copy(update={"current_schema_id": snapshot.schema_id})
    return PinnedTable(pin, metadata, table.io)


def _configured() -> dict[str, Any]:
    """What PyIceberg's own configuration has for the catalog: S3's address, for example."""
    return dict(Config().get_catalog_config(CATALOG) or {})


def _patient(properties: dict[str, str]) -> dict[str, str]:
    """The catalog's properties; one in SQLite has a folder, and is waited for."""
    if not properties["uri"].startswith("sqlite:///"):
        return properties
    return properties | {"uri": patient(make_url(properties["uri"])).render_as_string(hide_password=False)}


def snapshot_of(table: Table, snapshot_id: int) -> Snapshot:
    """Raises SnapshotNotFound."""
    snapshot = table.snapshot_by_id(snapshot_id)
    if snapshot is None:
        name = ".".join(table.name())
        raise SnapshotNotFound(
            f"Table '{name}' has no snapshot {snapshot_id}: it has expired, or belongs to another table.",
            table=name,
            snapshot_id=snapshot_id,
        )
    return snapshot


def summary_of(snapshot: Snapshot) -> dict[str, str]:
    """A snapshot's summary as one flat mapping; `operation` among it."""
    if snapshot.summary is None:
        return {}
    return {"operation": snapshot.summary.operation.value, **snapshot.summary.additional_properties}


def _row_count(table: Table, snapshot: Snapshot | None) -> int:
    if snapshot is None:
        return 0
    summary = summary_of(snapshot)
    if "total-records" in summary and summary.get("total-delete-files", "0") == "0":
        return int(summary["total-records"])
    return table.scan().count()
