"""Delete files, committed as Trino and Spark commit them: PyIceberg reads some, and writes none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriterV2,
)
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _FastAppendFiles
from pyiceberg.typedef import Record

_Partition = tuple[int, Record]
"""A partition spec's id, and a partition's values."""


def delete_by_position(table: Table, column: str, gone: set[int], rng: Random) -> None:
    """Deletes the rows whose `column` is among `gone`, in up to two delete files per partition.

    Some of the rows are deleted by both.
    """
    places: dict[_Partition, list[tuple[str, int]]] = defaultdict(list)
    for task in table.scan().plan_files():
        with table.io.new_input(task.file.file_path).open() as file:
            numbers = pq.read_table(file, columns=[column]).column(0).to_pylist()
        found = [(task.file.file_path, at) for at, number in enumerate(numbers) if number in gone]
        places[task.file.spec_id, task.file.partition] += found
    files: list[tuple[int, DataFile]] = []
    for partition, where in places.items():
        first = [one for one in where if rng.random() < 0.6]
        for some in (first, [one for one in where if one not in first or rng.random() < 0.2]):
            if some:
                files.append((partition[0], _of_positions(table, partition, sorted(some))))
    _commit(table, files)


def delete_by_equality(table: Table, column: str, value: Any) -> None:
    """Deletes the rows whose `column` is `value`, wherever they are."""
    rows = pa.table({column: pa.array([value])})
    field = table.schema().find_field(column)
    rows = rows.cast(pa.schema([pa.field(column, rows[column].type, metadata=_id(field.field_id))]))
    partition = (table.spec().spec_id, Record())
    file = _written(table, rows, DataFileContent.EQUALITY_DELETES, partition, [field.field_id])
    _commit(table, [(partition[0], file)])


def _of_positions(table: Table, partition: _Partition, places: Sequence[tuple[str, int]]) -> DataFile:
    schema = pa.schema(
        [
            pa.field("file_path", pa.string(), metadata=_id(2147483546)),
            pa.field("pos", pa.int64(), metadata=_id(2147483545)),
        ]
    )
    rows = pa.table([[path for path, _ in places], [at for _, at in places]], schema=schema)
    return _written(table, rows, DataFileContent.POSITION_DELETES, partition)


def _id(field: int) -> dict[str, str]:
    return {"PARQUET:field_id": str(field)}


def _written(
    table: Table,
    rows: pa.Table,
    content: DataFileContent,
    partition: _Partition,
    equality_ids: list[int] | None = None,
) -> DataFile:
    path = f"{table.location()}/data/{uuid4()}-deletes.parquet"
    with table.io.new_output(path).create() as file:
        pq.write_table(rows, file)
    return DataFile.from_args(
        content=content,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=partition[1],
        record_count=len(rows),
        file_size_in_bytes=len(table.io.new_input(path)),
        equality_ids=equality_ids,
        spec_id=partition[0],
    )


def _commit(table: Table, files: Iterable[tuple[int, DataFile]]) -> None:
    with table.transaction() as transaction:
        _DeleteFiles(Operation.OVERWRITE, transaction, table.io).of(files).commit()


class _DeleteFiles(_FastAppendFiles):
    """A snapshot that adds delete files, in one manifest of deletes per partition spec."""

    def of(self, files: Iterable[tuple[int, DataFile]]) -> _DeleteFiles:
        self._files = list(files)
        return self

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        specs = {spec for spec, _ in self._files}
        return [*manifests, *(self._manifest(spec) for spec in sorted(specs))]

    def _manifest(self, spec: int) -> ManifestFile:
        output = self.new_manifest_output()
        writer = _DeleteManifest(self.spec(spec), self.schema(), output, self._snapshot_id, self._compression)
        with writer:
            for own, file in self._files:
                if own == spec:
                    entry = ManifestEntry.from_args(status=ManifestEntryStatus.ADDED, data_file=file)
                    writer.add(entry)
        return writer.to_manifest_file()


class _DeleteManifest(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return super()._meta | {"content": "deletes"}
