"""Rows that were pushed to one view: as they are written ahead, and as the online store takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from asgard_pipelines.declarations import FeatureView

_PLACE = "place:"
"""A name that no column of a view has."""


@dataclass(frozen=True)
class PushedRows:
    """`table`: join keys, features, event time and, of a view that has one, created time; by their names."""

    view: FeatureView
    table: pa.Table

    @classmethod
    def of(cls, view: FeatureView, rows: pa.Table, event_timestamp: str, created: pa.Array) -> Self:
        """The view's part of `rows`, whose event times stand in the column of that name."""
        columns = {name: rows[name] for name in (*view.join_keys, *view.feature_names)}
        columns[view.timestamp] = rows[event_timestamp]
        if view.created_timestamp:
            columns[view.created_timestamp] = pa.chunked_array([created])
        return cls(view, pa.table(columns))

    @classmethod
    def read(cls, view: FeatureView, payload: bytes) -> Self:
        """What `bytes` made."""
        return cls(view, pa.ipc.open_stream(payload).read_all())

    def bytes(self) -> bytes:
        """Arrow's stream format."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.table.schema) as stream:
            stream.write_table(self.table)
        return sink.getvalue().to_pybytes()

    def __len__(self) -> int:
        return len(self.table)

    @staticmethod
    def newest(parts: Sequence[PushedRows]) -> pa.Table:
        """The newest row of each key; of several with equal event times the one acknowledged last."""
        view, rows = parts[0].view, pa.concat_tables([part.table for part in parts])
        if len(rows) < 2:
            return rows
        places = pa.array(range(len(rows)), pa.int64())
        order = pc.sort_indices(
            pa.table({"time": rows[view.timestamp], "place": places}),
            sort_keys=[("time", "ascending"), ("place", "ascending")],
        )
        rows = rows.take(order).append_column(_PLACE, places)
        last = rows.group_by(list(view.join_keys)).aggregate([(_PLACE, "max")])[f"{_PLACE}_max"]
        return rows.take(last).drop_columns([_PLACE])
