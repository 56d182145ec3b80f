"""A part of a source's files, or of their rows; and how much of them was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import pyarrow as pa

from asgard_pipelines.lakehouse.pins import Predicate
from asgard_pipelines.lakehouse.sources import DataFile, Piece, Positions


@dataclass
class Tally:
    """What was read so far: `files` by their paths, `rows` (each once), and `bytes` of the columns read, as
    the table's manifests say (each time they are read). Safe to add to from several threads."""

    files: set[str] = field(default_factory=set)
    rows: int = 0
    bytes: int = 0
    _parts: set[tuple[str, int]] = field(default_factory=set, repr=False)
    _one_writes: Lock = field(default_factory=Lock, repr=False)

    def add(self, path: str, part: int, rows: int, size: int) -> None:
        with self._one_writes:
            self.files.add(path)
            self.bytes += size
            if (path, part) not in self._parts:
                self._parts.add((path, part))
                self.rows += rows


@dataclass
class PickedFile:
    """A `DataFile` of which only the rows at `picked` stand (None: all), and whose reading is tallied.

    `size` tells how many bytes columns take in the whole file.
    """

    file: DataFile
    picked: Positions | None
    tally: Tally
    size: Callable[[Sequence[str]], int]

    def __post_init__(self) -> None:
        self.path = self.file.path

    @property
    def part_rows(self) -> Sequence[int]:
        return self.file.part_rows

    def newest(self, time_column: str) -> int | None:
        return self.file.newest(time_column)

    def parts(self, where: Sequence[Predicate]) -> list[int]:
        found = self.file.parts(where)
        if self.picked is None:
            return found
        held = np.diff(np.searchsorted(self.picked, np.cumsum([0, *self.part_rows])))
        return [part for part in found if held[part]]

    def pieces(self, columns: Sequence[str], part: int) -> Iterator[Piece]:
        self._note(columns, part)
        for piece in self.file.pieces(columns, part):
            if self.picked is None:
                yield piece
                continue
            kept = np.flatnonzero(np.isin(piece.positions, self.picked, assume_unique=True))
            if len(kept):
                yield Piece(piece.positions[kept], piece.rows.take(pa.array(kept)))

    def at(self, columns: Sequence[str], positions: Positions) -> Iterator[tuple[pa.RecordBatch, Positions]]:
        held = np.diff(np.searchsorted(positions, np.cumsum([0, *self.part_rows])))
        for part in np.flatnonzero(held):
            self._note(columns, int(part))
        yield from self.file.at(columns, positions)

    def _note(self, columns: Sequence[str], part: int) -> None:
        rows = self.part_rows[part]
        share = rows / max(sum(self.part_rows), 1)
        self.tally.add(self.path, part, rows, int(self.size(columns) * share))
