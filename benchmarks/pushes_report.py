"""The rows of `results.json` about pushes, and their section of the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template

from benchmarks import markdown
from benchmarks.goals import Row, row
from benchmarks.machine import machine, now, versions
from benchmarks.pushes import Pushed

_TEXT = Path(__file__).with_name("pushes.md")


def rows(found: Pushed) -> list[Row]:
    goals = [
        row(
            f"pushes, {store}, {size:,} rows × 20 features: median",
            by["ours"] * 1e3,
            "ms",
            peer=by["feast"] * 1e3,
            floor=by["floor"] * 1e3 if "floor" in by else None,
            ahead=10.0,
            above=3.0 if "floor" in by else None,
        )
        for (store, size), by in found.medians.items()
    ]
    carried = [
        row(
            f"pushes, {store}, {size:,} rows × 20 features: above a floor that carries the rows",
            by["ours"] * 1e3,
            "ms",
            floor=by["carried"] * 1e3,
        )
        for (store, size), by in found.medians.items()
    ]
    return goals + carried


def section(found: Pushed, rows: Sequence[Row], scale: float) -> str:
    return Template(_TEXT.read_text()).substitute(
        when=now(), scale=f"{scale:g}", machine=machine(), versions=versions(), goals=markdown.goals(rows)
    )
