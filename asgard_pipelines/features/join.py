"""The point-in-time join, in numpy: for each asked row, which feature row was known then.

For a row asked at time t that is the row of its key with the newest event time in [t - ttl, t], both
ends included. Rows created after t do not count. Among equal event times the newest created time wins
(a null one loses), then the greatest values, so that the order of the files never matters.

How: keys become integers, and every feature row gets its rank in the order (key, event time, created
time, values). Sorted by (key, the instant from which the row counts), a running maximum of that
rank says for each instant which row is the newest known; the asked rows are found in it by one
binary search each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.errors import TypeMismatch
from asgard_pipelines.features.kinds import Ints, instants, is_string, is_time, numbers, same_kind


@dataclass(frozen=True)
class Asked:
    """Rows that features are asked for: their keys, and the instants as of which."""

    keys: Sequence[pa.ChunkedArray]
    times: pa.ChunkedArray


@dataclass(frozen=True)
class Known:
    """Feature rows. `values` break ties of event and created time; null keys and times never match."""

    keys: Sequence[pa.ChunkedArray]
    times: pa.ChunkedArray
    created: pa.ChunkedArray | None = None
    values: Sequence[pa.ChunkedArray] = ()


@dataclass(frozen=True)
class Found:
    """Which feature row each asked row gets."""

    index: Ints
    """Position of the feature row; -1 for none."""
    tied: bool
    """Some rows were equal but for their values, given or not."""


def newest(asked: Asked, known: Known, ttl: int | None) -> Found:
    """The newest known row per asked row.

    Args:
        ttl: microseconds; None never expires.

    Raises:
        TypeMismatch: a key is of another kind on the two sides, or a time is no time.
    """
    ask_key, see_key = _codes(asked, known)
    ask_time, ask_ok = instants(asked.times)
    see_time, see_ok = instants(known.times)
    ask_ok &= ask_key >= 0
    wanted = np.zeros(int(max(ask_key.max(initial=-1), see_key.max(initial=-1))) + 1, dtype=bool)
    wanted[ask_key[ask_ok]] = True
    rows = np.flatnonzero(see_ok & (see_key >= 0) & wanted[see_key]) if len(wanted) else np.empty(0, np.int64)
    index = np.full(len(ask_key), -1, dtype=np.int64)
    if not len(rows) or not ask_ok.any():
        return Found(index, tied=False)

    key, time = see_key[rows], see_time[rows]
    created, from_when = _created(known.created, rows, time)
    order, tied = _order(key, time, created, [v.take(pa.array(rows)) for v in known.values])
    key, time, from_when, rows = key[order], time[order], from_when[order], rows[order]

    # From here on the position of a feature row is its rank. Sorted by the instant from which it counts:
    visible = np.lexsort((from_when, key))
    best = np.maximum.accumulate(visible)  # within a key, as all ranks of a later key are greater
    moments = np.unique(from_when)
    width = len(moments) + 1
    line = key[visible] * width + np.searchsorted(moments, from_when[visible]) + 1
    at = ask_key * width + np.searchsorted(moments, ask_time, side="right")
    place = np.searchsorted(line, at, side="right") - 1
    winner = best[np.maximum(place, 0)]
    hit = ask_ok & (place >= 0) & (key[winner] == ask_key)
    if ttl is not None:
        hit &= time[winner] >= ask_time - ttl
    index[hit] = rows[winner[hit]]
    return Found(index, tied)


def _created(column: pa.ChunkedArray | None, rows: Ints, time: Ints) -> tuple[Ints | None, Ints]:
    """Created times (null: before all others), and the instant from which each row counts."""
    if column is None:
        return None, time
    raw, present = instants(column)
    raw, present = raw[rows], present[rows]
    created = np.where(present, raw, np.iinfo(np.int64).min)
    return created, np.maximum(time, created)


def _order(
    key: Ints, time: Ints, created: Ints | None, values: Sequence[pa.ChunkedArray]
) -> tuple[Ints, bool]:
    """Rows by key, event time, created time, values; and whether the first three alone left ties."""
    parts = [key, time] if created is None else [key, time, created]
    order = np.lexsort(tuple(reversed(parts)))
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for part in parts:
        ordered = part[order]
        same &= ordered[1:] == ordered[:-1]
    if not same.any() or not values:
        return order, bool(same.any())
    among = np.zeros(len(order), dtype=bool)
    among[1:] |= same
    among[:-1] |= same
    tied = order[among]
    by_value = _by_value([value.take(pa.array(tied)) for value in values])
    tied = tied[by_value]
    again = np.lexsort(tuple(part[tied] for part in reversed(parts)))  # stable: keeps the order by value
    order[among] = tied[again]
    return order, True


def _by_value(values: Sequence[pa.ChunkedArray]) -> Ints:
    """Positions in ascending order of the values; nulls come first, so that a row with a value wins."""
    ranks = [_ranks(value) for value in values]
    return np.lexsort(tuple(reversed(ranks)))


def _ranks(value: pa.ChunkedArray) -> Ints:
    if pa.types.is_nested(value.type):
        value = pa.chunked_array([[str(item) for item in value.to_pylist()]], pa.string())
    if pa.types.is_boolean(value.type):
        value = value.cast(pa.int8())
    ranks = numbers(pc.rank(value, sort_keys="ascending", tiebreaker="dense"))
    return np.where(numbers(value.is_null()) == 1, 0, ranks)


def _codes(asked: Asked, known: Known) -> tuple[Ints, Ints]:
    """One integer per key, the same on both sides for the same key; -1 where a part is null."""
    split = len(asked.times)
    total = split + len(known.times)
    code, missing = np.zeros(total, dtype=np.int64), np.zeros(total, dtype=bool)
    for left, right in zip(asked.keys, known.keys, strict=True):
        one, other = _as_key(left, right.type), _as_key(right, right.type)
        both = pa.chunked_array([*one.chunks, *other.chunks], other.type)
        encoded = both.combine_chunks().dictionary_encode()
        missing |= numbers(encoded.is_null()).astype(bool)
        part = numbers(encoded.indices.fill_null(0))
        # Numbered anew after each part, so that many parts cannot overflow.
        code = np.unique(code * max(len(encoded.dictionary), 1) + part, return_inverse=True)[1].astype(
            np.int64
        )
    code[missing] = -1
    return code[:split], code[split:]


def _as_key(column: pa.ChunkedArray, other: pa.DataType) -> pa.ChunkedArray:
    """The column in the type that both sides are compared in."""
    if not same_kind(column.type, other):
        raise TypeMismatch(
            f"A key of type {column.type} cannot be looked up in one of type {other}.",
            declared=str(other),
            found=str(column.type),
        )
    if pa.types.is_integer(other):
        return column.cast(pa.int64())
    if is_string(other):
        return column.cast(pa.large_string())
    if is_time(other):
        raw, present = instants(column)
        return pa.chunked_array([pa.array(raw, mask=~present)])
    return column.cast(other)
