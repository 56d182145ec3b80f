"""The house's catalog, which parses a table's metadata once.

Where a table's metadata is, the catalog is asked at each load, so that any commit of anybody is seen at once.
What is there needs no second look: Iceberg writes such a file once, and each commit makes another.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata

_TABLES, _SNAPSHOTS = 256, 10_000


class KeptMetadata:
    """By their locations, those used last; for all catalogs of the process, of which sensors open one each
    time. PyIceberg never changes what it has parsed: its models are frozen, and updates are copies.

    Args:
        tables: so many are kept.
        snapshots: so many they have together, each some 6 kB; one table may have more.
    """

    def __init__(self, tables: int = _TABLES, snapshots: int = _SNAPSHOTS) -> None:
        self._tables, self._snapshots = tables, snapshots
        self._kept: OrderedDict[str, TableMetadata] = OrderedDict()
        self._held = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, location: str) -> TableMetadata | None:
        with self._lock:
            found = self._kept.get(location)
            if found is not None:
                self._kept.move_to_end(location)
            return found

    def keep(self, location: str, metadata: TableMetadata) -> None:
        with self._lock:
            if location in self._kept:  # another thread parsed it meanwhile
                return
            self._kept[location] = metadata
            self._held += len(metadata.snapshots)
            while len(self._kept) > 1 and (len(self._kept) > self._tables or self._held > self._snapshots):
                _, oldest = self._kept.popitem(last=False)
                self._held -= len(oldest.snapshots)


_kept = KeptMetadata()


class HouseCatalog(SqlCatalog):
    """PyIceberg's, but for what it parses again at each load."""

    def _convert_orm_to_iceberg(self, orm_table: IcebergTables) -> Table:
        location = orm_table.metadata_location
        metadata = _kept.find(location) if location else None
        if location is None or metadata is None:
            table = super()._convert_orm_to_iceberg(orm_table)
            _kept.keep(table.metadata_location, table.metadata)
            return table
        return Table(
            identifier=(*self.identifier_to_tuple(orm_table.table_namespace), orm_table.table_name),
            metadata=metadata,
            metadata_location=location,
            io=self._load_file_io(metadata.properties, location),
            catalog=self,
        )
