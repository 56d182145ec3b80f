"""Which rows of a source lie in spans of time, by place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from asgard_pipelines.lakehouse.filters import naive_utc
from asgard_pipelines.lakehouse.pins import AnyOf, TimeRange
from asgard_pipelines.lakehouse.sources import Piece, Positions, Source


def rows_within(source: Source, ranges: Sequence[TimeRange]) -> dict[str, Positions]:
    """Path -> ascending positions of the rows that meet one of the ranges; only files that hold some."""
    columns = list(dict.fromkeys(one.column for one in ranges))
    found = {}
    for file in source.files([AnyOf(tuple(ranges))]):
        pieces = (piece for part in file.parts([]) for piece in file.pieces(columns, part))
        rows = [_met(piece, columns, ranges) for piece in pieces]
        if any(len(some) for some in rows):
            found[file.path] = np.sort(np.concatenate(rows))
    return found


def _met(piece: Piece, columns: Sequence[str], ranges: Sequence[TimeRange]) -> Positions:
    """Where the piece's rows stand that lie in one of the ranges."""
    inside = np.zeros(len(piece.positions), dtype=bool)
    for one in ranges:
        column = piece.rows.column(columns.index(one.column))
        times = column.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False).astype("datetime64[us]")
        within = ~np.isnat(times)
        if one.start is not None:
            within &= times >= np.datetime64(naive_utc(one.start), "us")
        if one.end is not None:
            within &= times < np.datetime64(naive_utc(one.end), "us")
        inside |= within
    return piece.positions[inside]
