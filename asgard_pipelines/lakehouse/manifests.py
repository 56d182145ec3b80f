"""The data files that a table's manifests list.

PyIceberg works out for each manifest anew how the schema that stands in it is read, which takes nineteen
twentieths of its time; and most of a table's manifests have the same one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache

from pyiceberg.avro.decoder import new_decoder
from pyiceberg.avro.file import META_SCHEMA, AvroFile, AvroFileHeader
from pyiceberg.avro.reader import Reader
from pyiceberg.avro.resolver import construct_reader, resolve_reader
from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.io import FileIO
from pyiceberg.manifest import (
    DEFAULT_READ_VERSION,
    MANIFEST_ENTRY_SCHEMAS,
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    _inherit_from_manifest,
)
from pyiceberg.table import FileScanTask, ManifestGroupPlanner
from pyiceberg.utils.schema_conversion import AvroSchemaConversion

from asgard_pipelines.lakehouse.catalog import PinnedTable

_ALL = AlwaysTrue()
_header_reader = construct_reader(META_SCHEMA, {-1: AvroFileHeader})


def manifests_of(table: PinnedTable) -> list[ManifestFile]:
    """None for a table without a snapshot."""
    return [] if table.snapshot is None else table.snapshot.manifests(table.io)


def listed(
    table: PinnedTable, manifests: Iterable[ManifestFile], condition: BooleanExpression = _ALL
) -> list[FileScanTask]:
    """The data files in them that may hold rows of interest, each with its delete files."""
    quick = [_Manifest(*manifest._data) for manifest in manifests]
    return list(ManifestGroupPlanner(table.metadata, table.io, condition).plan_files(quick))


class _Manifest(ManifestFile):
    def fetch_manifest_entry(self, io: FileIO, discard_deleted: bool = True) -> list[ManifestEntry]:
        with _Entries(io.new_input(self.manifest_path)) as entries:
            return [
                _inherit_from_manifest(entry, self)
                for entry in entries
                if not (discard_deleted and entry.status == ManifestEntryStatus.DELETED)
            ]


class _Entries(AvroFile[ManifestEntry]):
    def __enter__(self) -> _Entries:
        with self.input_file.open() as stream:
            self.decoder = new_decoder(stream.read())
        self.header = _header_reader.read(self.decoder)
        self.reader = _entry_reader(self.header.meta["avro.schema"])
        return self


@lru_cache(64)
def _entry_reader(schema: str) -> Reader:
    """As PyIceberg makes it for a manifest. It keeps nothing between reads: all threads may share it."""
    return resolve_reader(
        AvroSchemaConversion().avro_to_iceberg(json.loads(schema)),
        MANIFEST_ENTRY_SCHEMAS[DEFAULT_READ_VERSION],
        read_types={-1: ManifestEntry, 2: DataFile},
        read_enums={0: ManifestEntryStatus, 101: FileFormat, 134: DataFileContent},
    )
