"""The generated tables in Iceberg, as a real table grows: by appends, with PyIceberg's own settings."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table import Table
from pyiceberg.typedef import Record

from benchmarks.data import frame, piece, pieces
from benchmarks.shapes import SEED, TINY, VIEWS, Shape, View

_VERSION = 1
"""Another one has the data generated anew."""
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Lake:
    """A folder with a catalog, its warehouse, and the frames of asked rows."""

    folder: Path
    shape: Shape
    scale: float

    @property
    def properties(self) -> dict[str, str]:
        return {"uri": f"sqlite:///{self.folder / 'catalog.db'}", "warehouse": f"file://{self.warehouse}"}

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse"

    def catalog(self) -> Catalog:
        return load_catalog("iceberg", type="sql", **self.properties)

    def files(self, view: str) -> list[str]:
        """Paths of a view's data files."""
        tasks = self.catalog().load_table(f"gold.{view}").scan().plan_files()
        return sorted(task.file.file_path.removeprefix("file://") for task in tasks)

    def deletes(self, view: str) -> list[str]:
        """Paths of a view's position deletes."""
        return sorted(map(str, (self.warehouse / "gold" / view / "deletes").glob("*.parquet")))

    def frame(self, rows: int) -> Path:
        """The file of that many asked rows."""
        path = self.folder / f"asked-{rows}.parquet"
        if not path.exists():
            pq.write_table(frame(self.shape, rows, self.scale), path)
        return path


def lake(root: Path, shape: Shape, scale: float, told: Progress) -> Lake:
    """The shape's tables: those of an earlier run, or generated now."""
    found = Lake(root / f"{shape.name.replace(' ', '-')}-{scale:g}", shape, scale)
    note = found.folder / "made.json"
    made = {"version": _VERSION, "seed": SEED, **asdict(shape)}
    if note.exists() and json.loads(note.read_text()) == made:
        return found
    shutil.rmtree(found.folder, ignore_errors=True)
    found.warehouse.mkdir(parents=True)
    catalog = found.catalog()
    catalog.create_namespace("gold")
    for view in (TINY, *VIEWS):
        _fill(catalog, found, view, told)
    note.write_text(json.dumps(made))
    return found


def leave_cache(root: Path, but: Lake) -> None:
    """Takes the files of all other lakes out of the page cache: where it fills the memory, the kernel
    charges the work of making room to whoever allocates, and that is not what is to be measured."""
    for path in root.rglob("*.parquet"):
        if not path.is_relative_to(but.folder):
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _fill(catalog: Catalog, into: Lake, view: View, told: Progress) -> None:
    of = pieces(into.shape, view)
    table: Table | None = None
    for number in range(of):
        told(f"generating {into.shape.name}, {view.name}: {number + 1} of {of}")
        rows = piece(into.shape, view, number, into.scale)
        if table is None:
            table = catalog.create_table(
                f"gold.{view.name}", rows.schema, location=f"file://{into.warehouse / 'gold' / view.name}"
            )
        table.append(rows)
    assert table is not None
    if into.shape.deleted:
        _delete(table, into, view)


def _delete(table: Table, into: Lake, view: View) -> None:
    """Position deletes, a file of them per data file: as Trino writes them. PyIceberg writes none itself."""
    folder = into.warehouse / "gold" / view.name / "deletes"
    folder.mkdir()
    rng = np.random.default_rng([SEED, 7])
    written = []
    for number, task in enumerate(table.scan().plan_files()):
        gone = np.flatnonzero(rng.random(task.file.record_count) < into.shape.deleted)
        path = folder / f"{number}.parquet"
        rows = {"file_path": pa.array([task.file.file_path] * len(gone)), "pos": pa.array(gone)}
        pq.write_table(pa.table(rows), path)
        written.append(
            DataFile.from_args(
                content=DataFileContent.POSITION_DELETES,
                file_path=f"file://{path}",
                file_format=FileFormat.PARQUET,
                partition=Record(),
                record_count=len(gone),
                file_size_in_bytes=path.stat().st_size,
                spec_id=0,
            )
        )
    with table.transaction() as transaction, transaction.update_snapshot().fast_append() as append:
        for file in written:
            append.append_data_file(file)
