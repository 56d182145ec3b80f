"""The point-in-time join's section of the page, and its plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template

from benchmarks import markdown
from benchmarks.goals import Row
from benchmarks.machine import machine, now, versions
from benchmarks.pit import FEW, MANY, Found
from benchmarks.pit_goals import cpu, megabytes
from benchmarks.plot import Bars, Lines, draw
from benchmarks.shapes import CUSTOMERS, EASY, FEATURES, GROWN, SEED, VIEWS

_TEXT = Path(__file__).with_name("pit.md")


def section(found: Sequence[Found], rows: Sequence[Row], scale: float) -> str:
    return Template(_TEXT.read_text()).substitute(
        when=now(),
        scale=f"{scale:g}",
        machine=machine(),
        versions=versions(),
        rows=", ".join(f"{int(view.rows * scale):,}" for view in VIEWS),
        features=FEATURES,
        customers=f"{int(CUSTOMERS * scale):,}",
        seed=SEED,
        goals=markdown.goals(rows),
        measured="\n\n".join(
            f"**{one.experiment.shape.name}, {one.asked:,} asked rows**\n\n{markdown.measures(one.measured)}"
            for one in found
        ),
    )


def plot(found: Sequence[Found], path: Path) -> None:
    """CPU and memory of all contenders in the easy case; CPU as the tables grow."""
    at = {(one.experiment.shape.name, one.experiment.asked): one for one in found}
    easy = {f"{one.asked:,} asked rows": one for one in found if one.experiment.shape is EASY}
    names = ["ours", "duckdb+iceberg", "duckdb+parquet", "file", "floor"]
    bars = [
        Bars(
            title,
            {
                label: {name: what(one.measured[name]) for name in names if name in one.measured}
                for label, one in easy.items()
            },
        )
        for title, what in (("CPU seconds", cpu), ("Peak memory, MB", megabytes))
    ]
    grown = {
        (name, asked): {
            float(shape.growth): seconds
            for shape in GROWN
            if (done := at.get((shape.name, asked)))
            and (one := done.measured.get(name))
            and (seconds := cpu(one)) is not None
        }
        for asked in (FEW, MANY)
        for name in ("ours", "duckdb+iceberg", "floor, streamed")
    }
    labels = {one.experiment.asked: f"{one.asked:,}" for one in found}
    lines = Lines(
        "CPU seconds as tables grow",
        {
            f"{name}, {labels[asked]} rows" if name != "floor, streamed" else name: points
            for (name, asked), points in grown.items()
            if points and not (name == "floor, streamed" and asked == MANY)
        },
    )
    draw([*bars, lines], path)
