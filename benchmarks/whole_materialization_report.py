"""The rows of `results.json` of the first materialization, and its section of the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from string import Template

from benchmarks import markdown
from benchmarks.goals import Row, row
from benchmarks.machine import machine, now, versions
from benchmarks.pit_goals import cpu, megabytes, wall
from benchmarks.whole_materialization import Whole

_TEXT = Path(__file__).with_name("whole_materialization.md")
_GOALS: dict[str, dict[str, float]] = {
    "Redis": {"CPU": 6.0, "peak memory": 8.0},
    "SQLite": {"wall time": 2.0},
}


def rows(found: Whole) -> list[Row]:
    made = []
    for store, by in found.writes.items():
        name = f"whole_materialization, {store}, {found.keys:,} keys × 20 features"
        for what, of, unit in (
            ("CPU", cpu, "CPU s"),
            ("wall time", wall, "s"),
            ("peak memory", megabytes, "MB"),
        ):
            goal = _GOALS[store].get(what)
            made.append(row(f"{name}: {what}", of(by["ours"]), unit, peer=of(by["feast"]), ahead=goal))
            for peer in ("feast, writer", "feast, writer, skip_dedup"):
                if peer in by:
                    told = f"{name}, writers alone, peer {peer.removeprefix('feast, ')}: {what}"
                    made.append(row(told, of(by["ours, writer"]), unit, peer=of(by[peer])))
        made.append(
            row(f"{name}: wrong values", by["ours"].wrong, "values", peer=by["feast"].wrong, at_most=0)
        )
    return made


def section(found: Whole, rows: Sequence[Row], scale: float) -> str:
    server = [[who, markdown.number(median(seconds))] for who, seconds in found.server.items()]
    return Template(_TEXT.read_text()).substitute(
        when=now(),
        scale=f"{scale:g}",
        machine=machine(),
        versions=versions(),
        keys=f"{found.keys:,}",
        goals=markdown.goals(rows),
        redis=markdown.measures(found.writes["Redis"]),
        sqlite=markdown.measures(found.writes["SQLite"]),
        server=markdown.table(["", "CPU s of Redis itself"], server),
    )
