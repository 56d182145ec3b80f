"""A source's rows under one numbering: file after file, in the order of their paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

import numpy as np
import pyarrow as pa

from asgard_pipelines.features.kinds import Ints
from asgard_pipelines.features.point_in_time.key_index import Codes
from asgard_pipelines.features.point_in_time.parallel import in_order
from asgard_pipelines.lakehouse import DataFile, Predicate, Source

_PIECES = 8
"""Of a part, so many are read before the last of them is looked at, and then those before it."""


class NumberedRows:
    """The rows of the files that may hold rows which meet `where`; `threads` read at once."""

    def __init__(self, source: Source, where: Sequence[Predicate], threads: int) -> None:
        self._files = source.files(where)
        self._where, self._threads = where, threads
        begins = np.cumsum([0, *(rows for file in self._files for rows in file.part_rows)])
        self._parts = [(file, part) for file in self._files for part in range(len(file.part_rows))]
        self._begins: Ints = begins[:-1]
        """The number of each part's first row."""

    def scan(
        self, columns: Sequence[str], time_column: str, use: Callable[[Ints, pa.RecordBatch], None]
    ) -> None:
        """Gives `use` every row of the parts that may meet the predicates, with the rows' numbers.

        It is called from several threads, a bounded number of rows at a time; the latest times come first, as
        far as that is known of files, and of the rows in them, which mostly were written as they happened.
        """
        first = dict(zip(self._parts_by_name(), self._begins.tolist(), strict=True))

        def read(file: DataFile, part: int) -> None:
            shift = first[file.path, part] - sum(file.part_rows[:part])
            pieces = file.pieces(columns, part)
            while some := list(islice(pieces, _PIECES)):
                for piece in reversed(some):
                    use(piece.positions + shift, piece.rows)

        files = sorted(self._files, key=lambda file: _order(file.newest(time_column)))[::-1]
        wanted = [partial(read, file, part) for file in files for part in reversed(file.parts(self._where))]
        for _ in in_order(wanted, self._threads):
            pass

    def take(self, columns: Sequence[str], numbers: Ints) -> Iterator[pa.RecordBatch]:
        """The rows with these ascending numbers, in their order; other parts are not read."""

        def fetch(file: DataFile, positions: Ints) -> list[pa.RecordBatch]:
            return [rows.take(pa.array(wanted)) for rows, wanted in file.at(columns, positions)]

        calls = [partial(fetch, file, positions) for file, positions, _ in self._placed(numbers)]
        for batches in in_order(calls, self._threads):
            yield from batches

    def visit(
        self, columns: Sequence[str], numbers: Ints | Codes, use: Callable[[int, pa.RecordBatch, Ints], None]
    ) -> None:
        """Gives `use` the same rows where they are read: from several threads, in no order.

        It gets how many of `numbers` come before, a batch, and which of its rows are wanted.
        """

        def fetch(file: DataFile, positions: Ints, done: int) -> None:
            for rows, wanted in file.at(columns, positions):
                use(done, rows, wanted)
                done += len(wanted)

        for _ in in_order([partial(fetch, *placed) for placed in self._placed(numbers)], self._threads):
            pass

    def _placed(self, numbers: Ints | Codes) -> Iterator[tuple[DataFile, Ints, int]]:
        """For each part that holds some of them: the file, their positions in it, how many come before."""
        most = np.iinfo(numbers.dtype).max
        # Of another type than theirs, the search would copy `numbers`.
        begins = np.minimum([*self._begins, most], most).astype(numbers.dtype)
        edges = np.searchsorted(numbers, begins)
        for (file, part), begin, low, high in zip(
            self._parts, self._begins, edges[:-1], edges[1:], strict=True
        ):
            if high > low:
                yield file, numbers[low:high] - begin + sum(file.part_rows[:part]), int(low)

    def _parts_by_name(self) -> list[tuple[str, int]]:
        return [(file.path, part) for file, part in self._parts]


def _order(newest: int | None) -> float:
    return -np.inf if newest is None else newest
