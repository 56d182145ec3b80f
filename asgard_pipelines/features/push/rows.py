"""Rows that were pushed to one view: as they are written ahead, and as its table takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import orjson
import pyarrow as pa

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.features.kinds import arrow_type

_TIME = pa.timestamp("us")


@dataclass(frozen=True)
class PushedRows:
    """In the order of acknowledgement. `columns` are the join keys and features, Python's values in their
    declared types, a time as microseconds since 1970 (UTC), as `event` and `created` are."""

    columns: Mapping[str, list[Any]]
    event: list[int]
    created: list[int]

    def __len__(self) -> int:
        return len(self.event)

    @classmethod
    def read(cls, payload: bytes) -> Self:
        """What `bytes` made."""
        return cls(**orjson.loads(payload))

    def bytes(self) -> bytes:
        """As JSON."""
        return orjson.dumps({"columns": self.columns, "event": self.event, "created": self.created})

    @classmethod
    def joined(cls, parts: Sequence[PushedRows]) -> PushedRows:
        """One after the other, all of one view."""
        if len(parts) == 1:
            return parts[0]
        columns = {
            name: [value for part in parts for value in part.columns[name]] for name in parts[0].columns
        }
        event = [at for part in parts for at in part.event]
        return cls(columns, event, [at for part in parts for at in part.created])

    def newest(self, keys: Sequence[str]) -> PushedRows:
        """The newest row of each key; of several with equal event times the one acknowledged last."""
        rows = list(zip(*(self.columns[key] for key in keys), strict=True)) if keys else [()] * len(self)
        best: dict[tuple[Any, ...], int] = {}
        event = self.event
        for place, key in enumerate(rows):
            held = best.setdefault(key, place)
            if held != place and event[place] >= event[held]:
                best[key] = place
        if len(best) == len(rows):
            return self
        places = list(best.values())

        def taken(values: list[Any]) -> list[Any]:
            return list(map(values.__getitem__, places))

        columns = {name: taken(values) for name, values in self.columns.items()}
        return PushedRows(columns, taken(event), taken(self.created))

    def table(self, view: FeatureView, key_types: Mapping[str, str]) -> pa.Table:
        """As Arrow: join keys and features by their names, times by those of the view's columns."""
        types = {**key_types} | {feature.name: feature.dtype for feature in view.features}
        made = {name: pa.array(self.columns[name], arrow_type(dtype)) for name, dtype in types.items()}
        made[view.timestamp] = pa.array(self.event, _TIME)
        if view.created_timestamp:
            made[view.created_timestamp] = pa.array(self.created, _TIME)
        return pa.table(made)
