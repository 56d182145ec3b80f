"""Data files from a stream: row group by row group, so that no file is ever held in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import count
from uuid import uuid4

import pyarrow as pa
from pyiceberg.io import FileIO
from pyiceberg.io.fileformat import FileFormatFactory
from pyiceberg.io.pyarrow import _determine_partitions, schema_to_pyarrow
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionKey
from pyiceberg.schema import sanitize_column_names
from pyiceberg.table import TableProperties
from pyiceberg.table.locations import load_location_provider
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.typedef import Record
from pyiceberg.utils.properties import property_as_int

_GATHERED = 32 * 2**20
"""Bytes of rows, in memory, that go into the files at a time: a row group where there are no partitions."""
_MOST_OPEN = 50
"""Files that are open at a time; a partition that comes back after that gets one more file."""


class RollingFiles:
    """The data files of one write, made while its rows come; PyIceberg would hold all that it has not
    written yet.

    A file ends once it holds `write.target-file-size-bytes` (512 MB) of rows, counted in memory, as
    PyIceberg counts.
    """

    def __init__(self, io: FileIO, metadata: TableMetadata) -> None:
        self._io = io
        self._metadata = metadata
        target = TableProperties.WRITE_TARGET_FILE_SIZE_BYTES
        default = TableProperties.WRITE_TARGET_FILE_SIZE_BYTES_DEFAULT
        self._target = property_as_int(metadata.properties, target, default) or default
        self._open: OrderedDict[Record, _File] = OrderedDict()
        self._done: list[DataFile] = []
        self._paths: list[str] = []
        self._locations = load_location_provider(metadata.location, metadata.properties)
        self._write_id, self._numbers = uuid4(), count()

    def write(self, batches: Iterable[pa.RecordBatch]) -> list[DataFile]:
        """Rows in exactly the columns of the table. Whatever fails, no file of this write is left."""
        try:
            for rows in _gathered(batches):
                for key, part in self._parts(rows):
                    self._add(key, part)
            while self._open:
                self._end(next(iter(self._open)))
        except BaseException:
            self._abandon()
            raise
        return self._done

    def _parts(self, rows: pa.Table) -> Iterator[tuple[PartitionKey | None, pa.Table]]:
        spec = self._metadata.spec()
        if spec.is_unpartitioned():
            yield None, rows
            return
        for part in _determine_partitions(spec, self._metadata.schema(), rows):
            yield part.partition_key, part.arrow_table_partition

    def _add(self, key: PartitionKey | None, rows: pa.Table) -> None:
        partition = key.partition if key else Record()
        if partition not in self._open:
            if len(self._open) == _MOST_OPEN:
                self._end(next(iter(self._open)))
            name = f"00000-{next(self._numbers)}-{self._write_id}.parquet"
            self._paths.append(self._locations.new_data_location(name, key))
            self._open[partition] = _File(self._io, self._paths[-1], self._metadata)
        self._open.move_to_end(partition)
        self._open[partition].add(rows)
        if self._open[partition].size >= self._target:
            self._end(partition)

    def _end(self, partition: Record) -> None:
        self._done.append(self._open.pop(partition).end(partition))

    def _abandon(self) -> None:
        with ExitStack() as stack:  # one that cannot be removed does not keep the others
            for path in self._paths:
                stack.callback(self._remove, path)
            for file in self._open.values():
                stack.callback(file.abandon)

    def _remove(self, path: str) -> None:
        if self._io.new_input(path).exists():
            self._io.delete(path)


class _File:
    """One Parquet file under way; `size` is that of its rows in memory."""

    def __init__(self, io: FileIO, path: str, metadata: TableMetadata) -> None:
        self.size = 0
        self._spec_id = metadata.default_spec_id
        self._output = io.new_output(path)
        schema = sanitize_column_names(metadata.schema())
        self._arrow_schema = schema_to_pyarrow(schema)  # with the field ids, by which columns are found
        model = FileFormatFactory.get(FileFormat.PARQUET)
        self._writer = model.create_writer(self._output, schema, metadata.properties)

    def add(self, rows: pa.Table) -> None:
        self._writer.write(pa.Table.from_arrays(rows.columns, schema=self._arrow_schema))
        self.size += rows.nbytes

    def end(self, partition: Record) -> DataFile:
        statistics = self._writer.close()
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=self._output.location,
            file_format=FileFormat.PARQUET,
            partition=partition,
            file_size_in_bytes=len(self._output),
            sort_order_id=None,
            spec_id=self._spec_id,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )

    def abandon(self) -> None:
        if self.size:  # else it was never opened
            self._writer.close()


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        held.append(batch)
        size += batch.nbytes
        if size >= _GATHERED:
            yield pa.Table.from_batches(held)
            held, size = [], 0
    if held:
        yield pa.Table.from_batches(held)
