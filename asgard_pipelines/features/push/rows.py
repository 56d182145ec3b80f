"""Rows that were pushed to one view: as they are written ahead, and as its table takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, Self

import orjson
import pyarrow as pa

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.errors import TypeMismatch
from asgard_pipelines.features.kinds import arrow_type

_TIME = pa.timestamp("us")


@dataclass(frozen=True)
class PushedRows:
    """In the order of acknowledgement. `columns` are the join keys and features, Python's values in their
    declared types, a time as microseconds since 1970 (UTC), as `event` and `created` are."""

    columns: Mapping[str, list[Any]]
    event: list[int]
    created: list[int]
    stored_as: Mapping[str, str] = field(default_factory=dict)
    """The columns of the table that have other names: by those here."""

    def __len__(self) -> int:
        return len(self.event)

    @classmethod
    def read(cls, payload: bytes) -> Self:
        """What `bytes` made."""
        return cls(**orjson.loads(payload))

    def bytes(self) -> bytes:
        """As JSON."""
        written = {"columns": self.columns, "event": self.event, "created": self.created}
        return orjson.dumps({**written, "stored_as": self.stored_as} if self.stored_as else written)

    @classmethod
    def joined(cls, parts: Sequence[PushedRows]) -> PushedRows:
        """One after the other, all of one view as it was declared once."""
        if len(parts) == 1:
            return parts[0]
        columns = {
            name: [value for part in parts for value in part.columns[name]] for name in parts[0].columns
        }
        event = [at for part in parts for at in part.event]
        return cls(columns, event, [at for part in parts for at in part.created], parts[0].stored_as)

    def until(self, latest: int) -> PushedRows:
        """Without those of later event times."""
        if max(self.event, default=0) <= latest:
            return self
        return self._chosen([at <= latest for at in self.event])

    def newest(self, keys: Sequence[str]) -> PushedRows:
        """The newest row of each key; of several with equal event times the one acknowledged last."""
        rows: Sequence[Any] = [()] * len(self)
        if keys:
            columns = [self.columns[key] for key in keys]
            rows = columns[0] if len(keys) == 1 else list(zip(*columns, strict=True))
        if len(set(rows)) == len(rows):
            return self
        # In the order of time, and of acknowledgement where times are equal: the last of a key stays.
        last = {rows[place]: place for place in sorted(range(len(rows)), key=self.event.__getitem__)}
        stays = set(last.values())
        return self._chosen([place in stays for place in range(len(rows))])

    def _chosen(self, chosen: Sequence[bool]) -> PushedRows:
        made = {name: list(compress(values, chosen)) for name, values in self.columns.items()}
        event, created = list(compress(self.event, chosen)), list(compress(self.created, chosen))
        return PushedRows(made, event, created, self.stored_as)

    def table(self, view: FeatureView, key_types: Mapping[str, str]) -> pa.Table:
        """As Arrow: join keys and features by their names, times by those of the view's columns.

        Raises:
            TypeMismatch: a value is none of its type, which has been declared otherwise since.
        """
        types = {**key_types} | {feature.name: feature.dtype for feature in view.features}
        made = {name: _array(name, self.columns[name], dtype) for name, dtype in types.items()}
        made[view.timestamp] = pa.array(self.event, _TIME)
        if view.created_timestamp:
            made[view.created_timestamp] = pa.array(self.created, _TIME)
        return pa.table(made)


def stored_as(view: FeatureView) -> dict[str, str]:
    """Of its keys and features that have another name in the table: that one."""
    columns = view.join_keys | {feature.name: feature.column for feature in view.features}
    return {name: column for name, column in columns.items() if name != column}


def _array(name: str, values: list[Any], dtype: str) -> pa.Array:
    try:
        return pa.array(values, arrow_type(dtype))
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise TypeMismatch(
            f"'{name}' is {dtype} now, and pushed values are none: {error}", column=name, declared=dtype
        ) from error
