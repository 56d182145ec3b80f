"""Parquet files of this machine: written whole or not at all, streamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from asgard_pipelines.errors import Unsupported
from asgard_pipelines.features.offline_store.opened_sources import resolved
from asgard_pipelines.features.offline_store.stored_types import narrowed, wide_enough

_ROWS_AHEAD = 128 * 1024


def local_path(repo: Any, uri: str) -> Path:
    """Raises Unsupported for what is not on this machine."""
    location = resolved(repo, uri).removeprefix("file://")
    if "://" in location:
        raise Unsupported(f"'{uri}' is not on this machine: Parquet files are written to local folders.")
    return Path(location)


def write_file(path: Path, rows: pa.RecordBatchReader) -> None:
    """A new file, or one in place of another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with pq.ParquetWriter(part, rows.schema, write_page_checksum=True) as writer:
            for batch in _gathered(rows):
                writer.write_table(batch)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def append_to_file(path: Path, rows: pa.Table) -> None:
    """The rows after those in the file, in its types; a number's type is widened where a value needs it.

    Raises:
        TypeMismatch: a column of another kind.
    """
    with pq.ParquetFile(path) as file:
        stored = file.schema_arrow.remove_metadata()
        rows = narrowed(rows, stored)
        schema = wide_enough(rows, stored)

        def generate() -> Iterator[pa.RecordBatch]:
            for batch in file.iter_batches(_ROWS_AHEAD):
                yield batch.cast(schema)
            yield from rows.cast(schema).to_batches()

        write_file(path, pa.RecordBatchReader.from_batches(schema, generate()))


def _gathered(rows: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Batches put together to row groups worth the name."""
    held: list[pa.RecordBatch] = []
    for batch in rows:
        held.append(batch)
        if sum(one.num_rows for one in held) >= _ROWS_AHEAD:
            yield pa.Table.from_batches(held, rows.schema)
            held = []
    if held:
        yield pa.Table.from_batches(held, rows.schema)
