"""The rows of `results.json` of the second materialization, and its section of the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template

from benchmarks import markdown
from benchmarks.goals import Row, row
from benchmarks.machine import machine, now, versions
from benchmarks.materialization import Materialized
from benchmarks.pit_goals import cpu, wall

_TEXT = Path(__file__).with_name("materialization.md")
_AHEAD = 25.0


def rows(found: Materialized) -> list[Row]:
    by, name = found.measured, f"second materialization, {found.keys:,} keys, 2 % of the files changed"
    return [
        row(f"{name}: CPU", cpu(by["ours"]), "CPU s", peer=cpu(by["feast"]), ahead=_AHEAD),
        row(f"{name}: wall time", wall(by["ours"]), "s", peer=wall(by["feast"])),
        row(
            f"{name}: bytes read",
            found.bytes["ours"] / 1e6,
            "MB",
            peer=found.bytes["feast"] / 1e6,
            ahead=_AHEAD,
        ),
        row(f"{name}: wrong runs", by["ours"].wrong, "runs", peer=by["feast"].wrong, at_most=0),
    ]


def section(found: Materialized, rows: Sequence[Row], scale: float) -> str:
    return Template(_TEXT.read_text()).substitute(
        when=now(),
        scale=f"{scale:g}",
        machine=machine(),
        versions=versions(),
        keys=f"{found.keys:,}",
        changed=f"{found.changed:,}",
        goals=markdown.goals(rows),
        measured=markdown.measures(found.measured),
    )
