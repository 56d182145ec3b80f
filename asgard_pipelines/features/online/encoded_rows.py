"""Rows as a store takes them: bytes of keys and values by column, and times as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.errors import ColumnNotFound, TypeMismatch
from asgard_pipelines.features.kinds import Bools, Ints, arrow_type, instants
from asgard_pipelines.features.online.keys import encoded_keys
from asgard_pipelines.features.online.value_bytes import encoded_values

NO_CREATED = np.iinfo(np.int64).min
"""In the place of a created time that is null: lower than any."""


@dataclass(frozen=True)
class Times:
    """Microseconds since 1970 (UTC). `created` is None for rows of a view that has none: then event times
    alone are compared."""

    event: Ints
    created_or_none: Ints | None

    @classmethod
    def of(cls, view: FeatureView, rows: pa.Table) -> tuple[Times, Bools]:
        """The rows' times, and which rows have an event time. Raises ColumnNotFound, TypeMismatch."""
        event, present = instants(_column(view, rows, view.timestamp))
        if view.created_timestamp is None:
            return cls(event, None), present
        created, known = instants(_column(view, rows, view.created_timestamp))
        return cls(event, np.where(known, created, NO_CREATED)), present

    @property
    def created(self) -> Ints:
        return np.full(len(self.event), NO_CREATED) if self.created_or_none is None else self.created_or_none

    @property
    def has_created(self) -> Bools:
        known: Bools = self.created != NO_CREATED
        return known

    def take(self, places: Ints | Sequence[int]) -> Times:
        return Times(
            self.event[places], None if self.created_or_none is None else self.created_or_none[places]
        )

    def may_follow(self, stored: Times) -> Bools:
        """Where a row of these times may take the place of one that is stored with those."""
        if self.created_or_none is None:
            after: Bools = self.event >= stored.event
            return after
        same: Bools = self.event == stored.event
        after = (self.event > stored.event) | (same & (self.created >= stored.created))
        return after

    def equal(self, stored: Times) -> Bools:
        same: Bools = self.event == stored.event
        return same if self.created_or_none is None else same & (self.created == stored.created)


@dataclass(frozen=True)
class EncodedRows:
    """`keys` and each of `values` are of Arrow's type binary and equally long; a null value is empty."""

    keys: pa.Array
    values: Mapping[str, pa.Array]
    """By feature."""
    times: Times

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, places: Ints | Sequence[int]) -> EncodedRows:
        chosen = pa.array(places, pa.int64())
        values = {name: column.take(chosen) for name, column in self.values.items()}
        return EncodedRows(self.keys.take(chosen), values, self.times.take(places))


def encoded(view: FeatureView, rows: pa.Table) -> EncodedRows:
    """Without the rows that lack a key or an event time.

    Raises:
        ColumnNotFound, TypeMismatch
    """
    times, timed = Times.of(view, rows)
    keys, present = encoded_keys(list(view.join_keys), rows)
    values = {}
    for feature in view.features:
        column = _column(view, rows, feature.name)
        wanted = arrow_type(feature.dtype)
        if column.type != wanted:
            raise TypeMismatch(
                f"'{feature.name}' is declared {feature.dtype}, and is written as {column.type}.",
                feature_view=view.name,
                column=feature.name,
                declared=feature.dtype,
                found=str(column.type),
            )
        values[feature.name] = encoded_values(column, feature.dtype)
    made = EncodedRows(keys, values, times)
    usable = timed & present
    return made if usable.all() else made.take(np.flatnonzero(usable))


def _column(view: FeatureView, rows: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in rows.column_names:
        raise ColumnNotFound(name, rows.column_names, table=f"the rows of '{view.name}'")
    return rows[name]
