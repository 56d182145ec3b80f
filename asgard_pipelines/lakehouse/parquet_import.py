"""Parquet files taken into a table, so that what they hold has snapshots."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pyarrow as pa

from asgard_pipelines.errors import Conflict
from asgard_pipelines.lakehouse.lakehouse import Lakehouse
from asgard_pipelines.lakehouse.parquet_files import ParquetSource
from asgard_pipelines.lakehouse.pins import Pin

MADE_BY, DIGEST = "asgard.made_by", "asgard.imported"
"""Properties of a table: what made it, and of which files its rows are."""


def import_parquet(lakehouse: Lakehouse, source: ParquetSource, table: str) -> Pin:
    """The table with the rows of the files, and no others; files that have not changed are not read again.

    Raises:
        Conflict: the table is there, and was not made from Parquet.
        TypeMismatch: a type that no table can hold.
    """
    require_own(lakehouse, table, "import")
    digest = _digest(source)
    base = lakehouse.pin(table) if lakehouse.exists(table) else None
    if base and lakehouse.state(table).properties.get(DIGEST) == digest:
        return base
    return lakehouse.overwrite(
        table,
        lambda: pa.RecordBatchReader.from_batches(source.schema, _batches(source)),
        key=f"import:{digest}:{base.snapshot_id if base else ''}",
        table_properties={MADE_BY: "import", DIGEST: digest},
        other_columns=True,
    ).pin


def make_table(lakehouse: Lakehouse, table: str, schema: pa.Schema, made_by: str) -> Pin:
    """A table without rows; one that is there, and was made by the same, gets the columns that it lacks.

    Raises:
        Conflict: it is there, and was made by somebody else.
        TypeMismatch: it has a column of another type.
    """
    require_own(lakehouse, table, made_by)
    rows = schema.empty_table()
    if not lakehouse.exists(table):
        return lakehouse.overwrite(
            table, rows, key=f"made:{made_by}", table_properties={MADE_BY: made_by}
        ).pin
    if set(schema.names) <= set(lakehouse.schema(lakehouse.pin(table)).names):
        return lakehouse.pin(table)
    digest = hashlib.sha256(str(schema).encode()).hexdigest()[:32]
    return lakehouse.append(table, rows, key=f"columns:{digest}").pin


def require_own(lakehouse: Lakehouse, table: str, made_by: str) -> None:
    """Raises Conflict: the table is there, and something else made it."""
    if lakehouse.exists(table) and lakehouse.state(table).properties.get(MADE_BY) != made_by:
        raise Conflict(
            f"Table '{table}' is there already, and was made otherwise: give the view another name, or "
            "declare it over that table (`POST /feast/features`).",
            table=table,
        )


def _batches(source: ParquetSource) -> Iterator[pa.RecordBatch]:
    names = source.schema.names
    for file in source.files([]):
        for part in range(len(file.part_rows)):
            for piece in file.pieces(names, part):
                yield piece.rows


def _digest(source: ParquetSource) -> str:
    """Of where the files are, how long, and when they were last written."""
    infos = source.filesystem.get_file_info(list(source.paths))
    text = "\n".join(f"{info.path}\0{info.size}\0{info.mtime_ns}" for info in infos)
    return hashlib.sha256(f"{source.location}\n{text}".encode()).hexdigest()[:32]
