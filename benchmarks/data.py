"""Rows from a fixed seed, a piece at a time, so that no table is ever held whole."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.shapes import CUSTOMERS, FEATURES, MARKETS, SEED, START, TINY, VIEWS, YEAR, Shape, View

_TIED = 0.05
"""Share of the rows that share key and event time with another, and differ in created time and values."""
_UNKNOWN = 1.02
"""Two asked keys in a hundred are of no row."""
_TIME = pa.timestamp("us", "UTC")
_YEAR = int(YEAR.total_seconds()) * 1_000_000
_START = int(START.timestamp()) * 1_000_000
_HOUR = 3_600_000_000

Ints = npt.NDArray[np.int64]


def customers(shape: Shape, scale: float) -> int:
    return max(int(CUSTOMERS * shape.growth * scale), 100)


def pieces(shape: Shape, view: View) -> int:
    """One per commit. A table that grows has more files, and not greater ones."""
    return 1 if view is TINY else shape.appends * shape.growth


def piece(shape: Shape, view: View, number: int, scale: float) -> pa.Table:
    """The rows of one commit: its part of the year, in no order within it."""
    of = pieces(shape, view)
    rows = view.rows if view is TINY else max(int(view.rows * shape.growth * scale) // of, 20)
    rng = np.random.default_rng([SEED, (*VIEWS, TINY).index(view), number, of])
    tied = int(rows * _TIED)
    key = rng.integers(0, customers(shape, scale), rows)
    time = _START + _YEAR * number // of + rng.integers(0, _YEAR // of, rows)
    created = time + rng.integers(0, _HOUR, rows)
    first = rng.permutation(rows - tied)[:tied]  # no row has two that tie with it
    key[rows - tied :], time[rows - tied :] = key[first], time[first]
    created[rows - tied :] = created[first] + rng.choice([-1, 1], tied) * rng.integers(1, _HOUR, tied)
    order = rng.permutation(rows)
    no_created = rng.random(rows) < 4 * shape.nulls
    no_created[rows - tied :] = False  # of two that tie, one at most has none
    columns: dict[str, pa.Array] = {
        **_keys(shape, key[order], _holes(rng, rows, shape.nulls / 5)),
        "event_timestamp": _times(time[order], _holes(rng, rows, shape.nulls / 5)),
        "created": _times(created[order], no_created[order]),
    }
    for position, feature in enumerate(view.features):
        columns[feature] = pa.array(_values(rng, position, rows), mask=_holes(rng, rows, shape.nulls))
    return pa.table(columns)


def frame(shape: Shape, rows: int, scale: float) -> pa.Table:
    """Asked rows: `row_id`, the keys and an `event_timestamp`, at random over the same year."""
    rng = np.random.default_rng([SEED, rows])
    key = rng.integers(0, int(customers(shape, scale) * _UNKNOWN), rows)
    time = _START + rng.integers(0, _YEAR, rows)
    return pa.table(
        {
            "row_id": pa.array(np.arange(rows)),
            **_keys(shape, key, _holes(rng, rows, shape.nulls / 5)),
            "event_timestamp": _times(time, _holes(rng, rows, shape.nulls / 5)),
        }
    )


def _values(rng: np.random.Generator, position: int, rows: int) -> npt.NDArray[np.generic]:
    """Measures, amounts, counts, ids: some that compress, some that do not."""
    if position < 2:
        return rng.standard_normal(rows)
    if position < FEATURES // 2:
        return np.round(rng.gamma(2.0, 50.0, rows), 2)
    return rng.integers(0, (1000, 1000, 1_000_000, 1_000_000, 2**40)[position - FEATURES // 2], rows)


def _keys(shape: Shape, key: Ints, holes: npt.NDArray[np.bool_] | None) -> dict[str, pa.Array]:
    if shape.key == "string":
        digits = pc.utf8_lpad(pa.array(key).cast(pa.string()), 9, "0")
        return {"customer": pc.binary_join_element_wise(pa.scalar("customer-"), digits, "")}
    if shape.key == "composite":
        markets = pa.array(["SE", "NO", "DK", "FI", "DE", "FR", "NL", "PL"][:MARKETS])
        return {"customer_id": pa.array(key // MARKETS), "market": markets.take(pa.array(key % MARKETS))}
    return {"customer_id": pa.array(key, mask=holes)}


def _times(time: Ints, holes: npt.NDArray[np.bool_] | None) -> pa.Array:
    return pa.array(time, mask=holes).cast(_TIME)


def _holes(rng: np.random.Generator, rows: int, share: float) -> npt.NDArray[np.bool_] | None:
    return rng.random(rows) < share if share else None
