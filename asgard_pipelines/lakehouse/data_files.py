"""The data files of one write: written before its commit is tried, and once for all of its tries."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeAlias

import pyarrow as pa
from pyiceberg.io.pyarrow import _dataframe_to_data_files
from pyiceberg.manifest import DataFile
from pyiceberg.table import Transaction

from asgard_pipelines.lakehouse.rolling_files import RollingFiles
from asgard_pipelines.lakehouse.row_types import cast, evolve, fit

Rows: TypeAlias = pa.Table | Callable[[], pa.RecordBatchReader]
"""Rows to write. A callable gives a fresh reader of them: a second one is needed only when somebody
else changes the table's columns, or makes the table, while they are written."""


class DataFiles:
    """Rows on their way into a table.

    Another writer who lands first costs a commit one more try, not the rows one more run: the files
    stand already. What no commit comes to name is an orphan, which maintenance removes.
    """

    def __init__(self, table: str, rows: Rows) -> None:
        self._table = table
        self._rows = rows
        self._fresh: pa.RecordBatchReader | None = None
        self._layout: tuple[Any, ...] | None = None
        self._files: list[DataFile] = []

    @cached_property
    def schema(self) -> pa.Schema:
        if isinstance(self._rows, pa.Table):
            return self._rows.schema
        self._fresh = self._rows()
        return self._fresh.schema

    def files(self, transaction: Transaction) -> list[DataFile]:
        """The files as this try can add them; the table's new and widened columns are staged.

        Raises:
            TypeMismatch: a column's values do not fit the table.
        """
        evolve(transaction, fit(self._table, transaction.table_metadata.schema(), self.schema))
        metadata = transaction.table_metadata
        layout = (metadata.location, metadata.schema(), metadata.spec())
        if layout != self._layout:
            self._files, self._layout = self._written(transaction), layout
        return self._files

    def _written(self, transaction: Transaction) -> list[DataFile]:
        metadata, io = transaction.table_metadata, transaction._table.io
        rows = cast(self._table, metadata.schema(), self._reader())
        if isinstance(self._rows, pa.Table) and not metadata.spec().is_unpartitioned():
            # They are in memory already: several partitions are written at a time
            return list(_dataframe_to_data_files(metadata, rows.read_all(), io)) if len(self._rows) else []
        return RollingFiles(io, metadata).write(rows)

    def _reader(self) -> pa.RecordBatchReader:
        if isinstance(self._rows, pa.Table):
            return self._rows.to_reader()
        fresh, self._fresh = self._fresh, None
        return fresh or self._rows()
