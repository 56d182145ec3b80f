"""Rows as a store takes them: bytes of keys and values by column, and times as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.errors import ColumnNotFound, TypeMismatch
from asgard_pipelines.features.kinds import Bools, Ints, arrow_type, instants
from asgard_pipelines.features.online.few_values import FEW, few_encoded, plain_encoded
from asgard_pipelines.features.online.keys import encoded_keys, few_keys, key_encoder_of
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


Column: TypeAlias = "pa.Array | list[bytes]"
"""Of Arrow's type binary, or a list."""


@dataclass(frozen=True)
class EncodedRows:
    """All columns are of one length; a null value is empty."""

    keys: Column
    values: Mapping[str, Column]
    """By feature."""
    times: Times

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, places: Ints | Sequence[int]) -> EncodedRows:
        values = {name: _taken(column, places) for name, column in self.values.items()}
        return EncodedRows(_taken(self.keys, places), values, self.times.take(places))

    def by_key(self) -> EncodedRows:
        """In the order of the keys' bytes; a few rows, which are in lists, as they are."""
        if isinstance(self.keys, list):
            return self
        return self.take(pc.sort_indices(self.keys).to_numpy().astype(np.int64))

    def key_list(self) -> list[bytes]:
        return _as_list(self.keys)

    @property
    def nbytes(self) -> int:
        """Of the values; 0 of a few rows, which are in lists."""
        return sum(column.nbytes for column in self.values.values() if not isinstance(column, list))

    def as_lists(self) -> tuple[list[bytes], list[list[bytes]]]:
        """The keys, and the columns of values in their order."""
        return _as_list(self.keys), [_as_list(column) for column in self.values.values()]

    def as_arrays(self) -> EncodedRows:
        values = {name: _as_array(column) for name, column in self.values.items()}
        return EncodedRows(_as_array(self.keys), values, self.times)


def _taken(column: Column, places: Ints | Sequence[int]) -> Column:
    if isinstance(column, list):
        return [column[place] for place in places]
    return column.take(pa.array(places, pa.int64()))


def _as_list(column: Column) -> list[bytes]:
    if isinstance(column, list):
        return column
    made: list[bytes] = column.to_numpy(zero_copy_only=False).tolist()
    return made


def _as_array(column: Column) -> pa.Array:
    return pa.array(column, pa.binary()) if isinstance(column, list) else column


def encoded(view: FeatureView, rows: pa.Table) -> EncodedRows:
    """Without the rows that lack a key or an event time. A few rows are made of lists.

    Raises:
        ColumnNotFound, TypeMismatch
    """
    times, timed = Times.of(view, rows)
    few = len(rows) <= FEW
    keys, present = (few_keys if few else encoded_keys)(list(view.join_keys), rows)
    values: dict[str, Column] = {}
    columns = dict(zip(rows.column_names, rows.columns, strict=True))
    encode = few_encoded if few else encoded_values
    for feature in view.features:
        column = columns.get(feature.name)
        if column is None:
            raise _missing(view, rows, feature.name)
        if column.type != arrow_type(feature.dtype):
            raise TypeMismatch(
                f"'{feature.name}' is declared {feature.dtype}, and is written as {column.type}.",
                feature_view=view.name,
                column=feature.name,
                declared=feature.dtype,
                found=str(column.type),
            )
        values[feature.name] = encode(column, feature.dtype)
    made = EncodedRows(keys, values, times)
    usable = timed & present
    return made if usable.all() else made.take(np.flatnonzero(usable))


def encoded_records(
    view: FeatureView,
    key_types: Mapping[str, str],
    columns: Mapping[str, Sequence[Any]],
    event: Sequence[int],
    created: Sequence[int | None] | None,
) -> EncodedRows:
    """Rows of Python's values, for `OnlineStore.put`: as `encoded`, without the price of an Arrow table.

    Args:
        key_types: join key -> its entity's declared type.
        columns: the join keys and the features, values in their declared types and checked; a timestamp
            feature is microseconds since 1970 (UTC). No key is null.
        event: microseconds since 1970 (UTC); so is `created`, which is None for a view without created times.
    """
    encode = key_encoder_of(tuple(key_types), tuple(key_types.values()))
    keys: Column = encode([columns[name] for name in key_types]) if key_types else encode([]) * len(event)
    late = None if created is None else [NO_CREATED if at is None else at for at in created]
    times = Times(np.array(event, np.int64), None if late is None else np.array(late, np.int64))
    if len(event) <= FEW:
        values = {one.name: plain_encoded(columns[one.name], one.dtype) for one in view.features}
        return EncodedRows(keys, values, times)
    return EncodedRows(_as_array(keys), _together(view, columns, len(event)), times)


def _together(view: FeatureView, columns: Mapping[str, Sequence[Any]], rows: int) -> dict[str, pa.Array]:
    """All columns of a type as one."""
    of_type: dict[str, list[str]] = {}
    for feature in view.features:
        of_type.setdefault(feature.dtype, []).append(feature.name)
    made: dict[str, pa.Array] = {}
    for dtype, names in of_type.items():
        values = list(chain.from_iterable([columns[name] for name in names]))
        whole = encoded_values(pa.array(values, arrow_type(dtype)), dtype)
        made |= {name: whole.slice(place * rows, rows) for place, name in enumerate(names)}
    return {name: made[name] for name in view.feature_names}


def _column(view: FeatureView, rows: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in rows.column_names:
        raise _missing(view, rows, name)
    return rows[name]


def _missing(view: FeatureView, rows: pa.Table, name: str) -> ColumnNotFound:
    return ColumnNotFound(name, rows.column_names, table=f"the rows of '{view.name}'")
