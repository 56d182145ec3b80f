"""Rows on their way from the order of files to the order asked: sorted into parts on disk."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from asgard_pipelines.features.kinds import Ints
from asgard_pipelines.features.point_in_time.arrangement import Arrangement
from asgard_pipelines.features.point_in_time.key_index import Codes


class Spill:
    """Temporary files, one per search and part; part n is for the asked rows from n * `rows` on."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._folder = TemporaryDirectory(prefix="asgard_join_")
        self._writers: dict[tuple[int, int], pa.ipc.RecordBatchStreamWriter] = {}
        self._open = ExitStack()
        self._one_writes = Lock()

    def __enter__(self) -> Spill:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        self._folder.cleanup()

    def write(self, search: int, values: pa.RecordBatch, places: Ints, asked: Codes) -> None:
        """The row of `values` at `places[i]` belongs to the asked row `asked[i]`. From any thread."""
        part = asked // self._rows
        order = np.argsort(part, kind="stable")
        places, asked, part = places[order], asked[order], part[order]
        begins = np.flatnonzero(np.diff(part, prepend=-1))
        for low, high in zip(begins, [*begins[1:], len(part)], strict=True):
            rows = pa.array(asked[low:high] - part[low] * self._rows)
            some = values.take(pa.array(places[low:high]))
            written = pa.RecordBatch.from_arrays([*some.columns, rows], schema=_with_row(values.schema))
            with self._one_writes:
                self._writer(search, int(part[low]), values.schema).write_batch(written)

    def read(self, search: int, part: int, schema: pa.Schema, rows: int) -> pa.Table:
        """The values of a part of `rows` rows, in their order; nulls where nothing was written."""
        writer = self._writers.pop((search, part), None)
        if writer is None:
            return pa.table([pa.nulls(rows, field.type) for field in schema], schema=schema)
        writer.close()
        path = self._path(search, part)
        with pa.OSFile(str(path)) as file:
            batches = pa.ipc.open_stream(file).read_all().to_batches()
        path.unlink()
        places = np.full(rows, -1, np.int32)
        asked = np.concatenate([batch.column(len(schema)).to_numpy() for batch in batches])
        places[asked] = np.arange(len(asked), dtype=np.int32)
        arrangement = Arrangement(schema, places, len(asked))
        done = 0
        for batch in batches:
            values = batch.select(range(len(schema)))
            arrangement.put(done, values, np.arange(batch.num_rows))
            done += batch.num_rows
        return arrangement.table()

    def _writer(self, search: int, part: int, schema: pa.Schema) -> pa.ipc.RecordBatchStreamWriter:
        if (search, part) not in self._writers:
            file = self._open.enter_context(pa.OSFile(str(self._path(search, part)), "wb"))
            writer = pa.ipc.new_stream(file, _with_row(schema))
            self._writers[search, part] = self._open.enter_context(writer)
        return self._writers[search, part]

    def _path(self, search: int, part: int) -> Path:
        return Path(self._folder.name) / f"{search}-{part}.arrows"


def _with_row(schema: pa.Schema) -> pa.Schema:
    """The values' columns, then the number of the asked row within its part."""
    return schema.append(pa.field("", pa.int32()))
