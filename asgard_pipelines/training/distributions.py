"""How a column's values lie in two training sets, and how far they have shifted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from asgard_pipelines.declarations import Record

Vector = NDArray[np.float64]

_BARS = 12
"""Bars of a histogram, and categories that have one of their own."""
_DECILES = np.arange(0.1, 0.95, 0.1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Distribution(Record):
    """One side. Quantiles and mean are None for strings, bools, and where there is no value; of arrays
    they are of the number of elements."""

    rows: int
    nulls: int
    mean: float | datetime | None = None
    quantiles: list[float | datetime] = []
    """The least value, the quartiles, the greatest."""
    bars: list[float] = []
    """Share of the values that are there in each bar."""


class Shift(Record):
    """One column in two training sets, A and B.

    `psi` is the population stability index, sum((b - a) * ln(b / a)) over bins, where a and b are the
    shares of A's and B's rows in each: A's tenths for what can be ordered, categories for what cannot,
    and nulls, which are a bin of their own. Half a row is added to each bin, so that an empty one gives
    no infinity. Below 0.1 is usually called stable, above 0.25 shifted (N. Siddiqi, Credit Risk
    Scorecards, 2006); of two samples of n and m rows from one source, about (bins - 1)(1/n + 1/m) is
    expected (B. Yurdakul, Statistical Properties of Population Stability Index, 2018).
    """

    column: str
    kind: str
    """`number`, `time`, `length` (of an array) or `category`."""
    psi: float
    a: Distribution
    b: Distribution
    labels: list[str] = []
    """Categories of the bars, the most frequent first; the last may be `others`."""
    edges: list[float | datetime] = []
    """Where the bars of what can be ordered begin and end; the outer ones hold all beyond them too."""


def shift(column: str, a: pa.ChunkedArray, b: pa.ChunkedArray) -> Shift:
    """Compare a column's values in two training sets; both hold the same kind."""
    kind = _kind(a.type)
    if kind == "category":
        return _of_categories(column, a, b)
    return _of_numbers(column, kind, a, b)


def _kind(of: pa.DataType) -> str:
    if pa.types.is_list(of) or pa.types.is_large_list(of):
        return "length"
    if pa.types.is_timestamp(of) or pa.types.is_date(of):
        return "time"
    if pa.types.is_integer(of) or pa.types.is_floating(of) or pa.types.is_decimal(of) or pa.types.is_null(of):
        return "number"
    return "category"


def _of_numbers(column: str, kind: str, a: pa.ChunkedArray, b: pa.ChunkedArray) -> Shift:
    one, other = _numbers(kind, a), _numbers(kind, b)
    cuts = np.unique(np.quantile(one, _DECILES)) if len(one) else np.empty(0)
    counts = [_binned(values, cuts) for values in (one, other)]
    edges = _edges(np.concatenate([one, other]))
    inner = edges[1:-1]
    return Shift(
        column=column,
        kind=kind,
        psi=_psi([_with_nulls(count, len(side)) for count, side in zip(counts, (a, b), strict=True)]),
        a=_distribution(kind, len(a), one, inner),
        b=_distribution(kind, len(b), other, inner),
        edges=[_shown(kind, edge) for edge in edges],
    )


def _numbers(kind: str, column: pa.ChunkedArray) -> Vector:
    """The finite values that are there, as float64; times as seconds since 1970."""
    if kind == "length":
        column = pc.list_value_length(column)
    if kind == "time":
        micros = column.cast(pa.timestamp("us")).cast(pa.int64())
        column = pc.divide(micros.cast(pa.float64(), safe=False), 1e6)
    values = column.cast(pa.float64(), safe=False).drop_null().to_numpy()
    return np.asarray(values[np.isfinite(values)], dtype=np.float64)


def _edges(values: Vector) -> Vector:
    """Equal widths over all but the outermost hundredths; whole numbers are not cut between two."""
    if not len(values):
        return np.empty(0)
    low, high = np.quantile(values, [0.01, 0.99])
    if not np.all(values == np.round(values)):
        return np.linspace(low, high, _BARS + 1) if high > low else np.array([low, high])
    low, high = np.floor(low) - 0.5, np.ceil(high) + 0.5
    step = np.ceil((high - low) / _BARS)
    return np.arange(low, high + step, step)


def _binned(values: Vector, cuts: Vector) -> Vector:
    """How many values lie up to the first cut, up to the second, …, beyond the last."""
    places = np.searchsorted(cuts, values, side="left")
    return np.bincount(places, minlength=len(cuts) + 1).astype(np.float64)


def _distribution(kind: str, rows: int, values: Vector, inner: Vector) -> Distribution:
    if not len(values):
        return Distribution(rows=rows, nulls=rows)
    return Distribution(
        rows=rows,
        nulls=rows - len(values),
        mean=_shown(kind, float(values.mean())),
        quantiles=[_shown(kind, float(q)) for q in np.quantile(values, [0, 0.25, 0.5, 0.75, 1])],
        bars=(_binned(values, inner) / len(values)).tolist(),
    )


def _shown(kind: str, value: float) -> float | datetime:
    return _EPOCH + timedelta(seconds=float(value)) if kind == "time" else float(value)


def _of_categories(column: str, a: pa.ChunkedArray, b: pa.ChunkedArray) -> Shift:
    counts = [_counted(side) for side in (a, b)]
    names = sorted(
        counts[0].keys() | counts[1].keys(), key=lambda name: (-sum(c.get(name, 0) for c in counts), name)
    )
    table = np.array([[count.get(name, 0) for name in names] for count in counts], dtype=np.float64)
    kept = names if len(names) <= _BARS else [*names[: _BARS - 1], "others"]
    shown = (
        np.column_stack([table[:, : _BARS - 1], table[:, _BARS - 1 :].sum(axis=1)])
        if len(names) > _BARS
        else table
    )
    sides = [
        Distribution(
            rows=len(side),
            nulls=side.null_count,
            bars=(bars / bars.sum()).tolist() if bars.sum() else [],
        )
        for side, bars in zip((a, b), shown, strict=True)
    ]
    psi = _psi([_with_nulls(row, len(side)) for row, side in zip(table, (a, b), strict=True)])
    return Shift(column=column, kind="category", psi=psi, a=sides[0], b=sides[1], labels=kept)


def _counted(column: pa.ChunkedArray) -> dict[str, int]:
    found = pc.value_counts(column.drop_null()).to_pylist()
    return {str(one["values"]): one["counts"] for one in found}


def _with_nulls(counts: Vector, rows: int) -> Vector:
    return np.append(counts, rows - counts.sum())


def _psi(counts: list[Vector]) -> float:
    there = (counts[0] + counts[1]) > 0
    a, b = ((side[there] + 0.5) / (side[there] + 0.5).sum() for side in counts)
    return float(np.sum((b - a) * np.log(b / a)))
