"""Which rows of two sets of files are not the same, by place: equal rows cancel, as often as they stand.

Rows are told apart by two 64-bit hashes of all their values, so that some 25 bytes a row are held, however
wide the rows are. In DuckDB, as it hashes: -0.0 is 0.0, and NaN is NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from asgard_pipelines.lakehouse.session import connect
from asgard_pipelines.lakehouse.sources import Positions, Source

_Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class _Rows:
    """A set of rows: `files[file[i]]` and `position[i]` say where row i stands."""

    files: list[str]
    file: npt.NDArray[np.int32]
    position: Positions
    hashes: tuple[_Words, _Words]

    def places(self, rows: Positions) -> dict[str, Positions]:
        """Path -> ascending positions of some of the rows."""
        files, positions = self.file[rows], self.position[rows]
        return {self.files[number]: np.sort(positions[files == number]) for number in np.unique(files)}


def net_positions(
    gone: Source, come: Source, columns: Sequence[str], threads: int
) -> tuple[dict[str, Positions], dict[str, Positions]]:
    """Of both sources the rows, by path, that the other does not have (or has less often)."""
    with connect(threads) as session:
        before, after = _hashed(session, gone, columns), _hashed(session, come, columns)
    signs = np.repeat(np.array([-1, 1], np.int8), (len(before.file), len(after.file)))
    first, second = (np.concatenate(pair) for pair in zip(before.hashes, after.hashes, strict=True))
    order = np.lexsort((signs, second, first))
    first, second = first[order], second[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    begins = np.flatnonzero(new)
    ends = np.append(begins[1:], len(order))
    net = np.add.reduceat(signs[order].astype(np.int64), begins) if len(order) else np.empty(0, np.int64)
    less, more = net < 0, net > 0  # of equal rows, those that went stand first
    removed = order[_ranges(begins[less], -net[less])]
    added = order[_ranges((ends - net)[more], net[more])]
    return before.places(removed), after.places(added - len(before.file))


def _hashed(session: duckdb.DuckDBPyConnection, source: Source, columns: Sequence[str]) -> _Rows:
    files = source.files([])
    session.register("rows", _placed(source, columns))
    names = ", ".join(f"c{number}" for number in range(len(columns)))
    found = session.sql(f"SELECT file, position, hash({names}), hash({names}, 1) FROM rows")  # noqa: S608
    table = found.to_arrow_table()
    session.unregister("rows")
    file, position, first, second = (column.to_numpy() for column in table.columns)
    return _Rows([one.path for one in files], file, position, (first, second))


def _placed(source: Source, columns: Sequence[str]) -> pa.RecordBatchReader:
    """The rows' values as c0, c1, …, and where they stand."""
    fields = [pa.field(f"c{n}", source.schema.field(column).type) for n, column in enumerate(columns)]
    schema = pa.schema([*fields, pa.field("file", pa.int32()), pa.field("position", pa.int64())])

    def generate() -> Iterator[pa.RecordBatch]:
        for number, file in enumerate(source.files([])):
            for part in file.parts([]):
                for piece in file.pieces(columns, part):
                    place = [pa.repeat(pa.scalar(number, pa.int32()), len(piece.positions))]
                    arrays = [*piece.rows.columns, *place, pa.array(piece.positions, pa.int64())]
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, generate())


def _ranges(begins: Positions, lengths: Positions) -> Positions:
    """begin, begin + 1, … of each, one after the other."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(begins - before, lengths) + np.arange(int(lengths.sum()))
