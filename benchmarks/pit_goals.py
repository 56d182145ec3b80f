"""What issue 4 asks of the point-in-time join, held against what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.goals import Row, row
from benchmarks.measure import Measured
from benchmarks.pit import FEW, MANY, Found
from benchmarks.shapes import EASY, GROWN, HARDER

PEER = "duckdb+iceberg"
AHEAD = {FEW: 3.5, MANY: 17.0}
"""How many times less CPU than stock Feast."""
ABOVE = {FEW: 1.3, MANY: 1.7}
"""How many times the CPU of merely reading the columns."""
_HARDER = 1.6
"""How many times the easy case's CPU."""
_LINEAR = 1.1
"""Ten times the data may cost 11 times as much."""
_MEGABYTES = 1000.0


def rows(found: Sequence[Found]) -> list[Row]:
    """Of the experiments that were done: the easy case is the first of them."""
    at = {(one.experiment.shape.name, one.experiment.asked): one for one in found}
    made = []
    for asked in (FEW, MANY):
        easy = at.get((EASY.name, asked))
        if easy is None:
            continue
        made += _easy(easy)
        for shape in GROWN[1:]:
            if (shape.name, asked) in at:
                made += _grown(easy, at[shape.name, asked])
        for shape in HARDER:
            if (shape.name, asked) in at:
                made += _harder(easy, at[shape.name, asked])
    return made


def _name(found: Found, what: str) -> str:
    return f"pit, {found.experiment.shape.name}, {found.asked:,} rows: {what}"


def _easy(found: Found) -> list[Row]:
    asked, by = found.experiment.asked, found.measured
    ours, peer, floor = by["ours"], by[PEER], by["floor"]
    one = row(
        _name(found, "CPU"),
        cpu(ours),
        "CPU s",
        peer=cpu(peer),
        floor=cpu(floor),
        ahead=AHEAD[asked],
        above=ABOVE[asked],
    )
    others = [
        row(_name(found, f"CPU, peer {name}"), cpu(ours), "CPU s", peer=cpu(by[name]), ahead=1)
        for name in ("duckdb+parquet", "file")
        if name in by
    ]
    return [
        one,
        *others,
        row(
            _name(found, "wall time"),
            wall(ours),
            "s",
            peer=wall(peer),
            floor=wall(floor),
            ahead=1,
        ),
        row(
            _name(found, "peak memory"),
            megabytes(ours),
            "MB",
            peer=megabytes(peer),
            floor=megabytes(floor),
            at_most=_MEGABYTES,
        ),
        _wrong(found),
    ]


def _wrong(found: Found) -> Row:
    peer = found.measured[PEER].wrong if PEER in found.measured else None
    return row(_name(found, "wrong cells"), found.measured["ours"].wrong, "cells", peer=peer, at_most=0)


def _grown(easy: Found, grown: Found) -> list[Row]:
    by, growth = grown.measured, grown.experiment.shape.growth
    return [
        row(
            _name(grown, "CPU; the floor is ours at 1x"),
            cpu(by["ours"]),
            "CPU s",
            peer=cpu(by[PEER]) if PEER in by else None,
            floor=cpu(easy.measured["ours"]),
            above=round(growth * _LINEAR, 2),
        ),
        row(
            _name(grown, "peak memory"),
            megabytes(by["ours"]),
            "MB",
            peer=megabytes(by[PEER]) if PEER in by else None,
            at_most=_MEGABYTES,
        ),
        _wrong(grown),
    ]


def _harder(easy: Found, found: Found) -> list[Row]:
    asked, by = found.experiment.asked, found.measured
    return [
        row(
            _name(found, "CPU"),
            cpu(by["ours"]),
            "CPU s",
            peer=cpu(by[PEER]),
            floor=cpu(by["floor"]) if "floor" in by else None,
            ahead=AHEAD[asked],
        ),
        row(
            _name(found, "CPU; the floor is ours in the easy case"),
            cpu(by["ours"]),
            "CPU s",
            floor=cpu(easy.measured["ours"]),
            above=_HARDER,
        ),
        _wrong(found),
    ]


def cpu(measured: Measured) -> float | None:
    return _of(measured, lambda one: one.cpu)


def wall(measured: Measured) -> float | None:
    return _of(measured, lambda one: one.wall)


def megabytes(measured: Measured) -> float | None:
    return _of(measured, lambda one: one.peak / 1e6)


def _of(measured: Measured, what: Callable[[Measured], float]) -> float | None:
    return None if measured.failure else what(measured)
