"""Rows that stand still, by place: which data file, and which row of it.

Reading by place lets a reader go over a table twice: once through a few columns of every row, to
find the rows that matter, and once through the other columns of those rows alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from asgard_pipelines.lakehouse.pins import Pin, Predicate

Positions = npt.NDArray[np.int64]
"""Row numbers in a data file, deleted rows counted, ascending."""


@dataclass(frozen=True)
class Piece:
    """Some rows of a data file, in their order. Rows deleted by position are not among them."""

    positions: Positions
    rows: pa.RecordBatch


class DataFile(Protocol):
    path: str

    @property
    def part_rows(self) -> Sequence[int]:
        """How many rows each part (row group) has, in order, deleted ones counted."""

    def newest(self, time_column: str) -> int | None:
        """A number that orders the source's files by their latest times; None where nothing tells."""

    def parts(self, where: Sequence[Predicate]) -> list[int]:
        """The parts that may hold rows which meet every predicate, by their statistics."""

    def pieces(self, columns: Sequence[str], part: int) -> Iterator[Piece]:
        """All rows of a part, a bounded number at a time, in plain types and in the order of `columns`."""

    def at(self, columns: Sequence[str], positions: Positions) -> Iterator[tuple[pa.RecordBatch, Positions]]:
        """Batches, each with those of its rows that stand at `positions`, in their order; parts that hold
        none of them are not read."""


class Source(Protocol):
    """A table at a pin, or Parquet files."""

    @property
    def pin(self) -> Pin:
        """What is read; a Parquet file is its path, without a snapshot."""

    @property
    def schema(self) -> pa.Schema:
        """Names and plain types of the columns."""

    def files(self, where: Sequence[Predicate]) -> list[DataFile]:
        """The files that may hold rows which meet every predicate, in the order of their paths.

        Raises:
            ColumnNotFound, TypeMismatch: a predicate on a column that is not there, or of another kind.
            Unsupported: equality deletes, or files that are not Parquet.
        """
