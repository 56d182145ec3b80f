"""Batch scoring's rows of `results.json`, and its section of the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template

from benchmarks import markdown
from benchmarks.goals import Row, row
from benchmarks.machine import machine, now, versions
from benchmarks.pit_goals import cpu, megabytes, wall
from benchmarks.scoring import Scored

_TEXT = Path(__file__).with_name("scoring.md")
_OVERHEAD, _AHEAD, _MEGABYTES = 1.3, 2.0, 1000.0


def rows(scored: Scored) -> list[Row]:
    """The floor is the join alone and the prediction alone; the peer is the naive way."""
    by, name = scored.measured, f"scoring, {scored.rows:,} rows"
    made = []
    for what, of, unit in (("wall time", wall, "s"), ("CPU", cpu, "CPU s")):
        join, predict = of(by["join"]), of(by["predict"])
        alone = join + predict if join is not None and predict is not None else None
        made.append(
            row(
                f"{name}: {what}; the floor is join alone + predict alone",
                of(by["ours"]),
                unit,
                peer=of(by["pandas"]),
                floor=alone,
                ahead=_AHEAD,
                above=_OVERHEAD,
            )
        )
    return [
        *made,
        row(
            f"{name}: peak memory",
            megabytes(by["ours"]),
            "MB",
            peer=megabytes(by["pandas"]),
            at_most=_MEGABYTES,
        ),
        row(f"{name}: wrong rows", by["ours"].wrong, "rows", peer=by["pandas"].wrong, at_most=0),
    ]


def section(scored: Scored, rows: Sequence[Row], scale: float) -> str:
    return Template(_TEXT.read_text()).substitute(
        when=now(),
        scale=f"{scale:g}",
        machine=machine(),
        versions=versions(),
        rows=f"{scored.rows:,}",
        goals=markdown.goals(rows),
        measured=markdown.measures(scored.measured),
    )
