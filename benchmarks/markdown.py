"""Tables as Markdown, and figures as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.goals import Row
from benchmarks.measure import Measured

NOTHING = "–"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right."""
    ruler = ["---", *["--:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ruler, *rows))


def number(value: float | None) -> str:
    """Three figures or more, with commas: `0.123`, `12.3`, `1,234`."""
    if value is None:
        return NOTHING
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def goals(rows: Sequence[Row]) -> str:
    """The rows of `results.json`."""
    heads = ["", "ours", "peer", "floor", "", "less than the peer", "of the floor", "goal", "holds"]
    return table(
        heads,
        [
            [
                row.name,
                number(row.ours),
                number(row.peer),
                number(row.floor),
                row.unit,
                _times(row.ratio_peer),
                _times(row.ratio_floor),
                row.goal or NOTHING,
                "yes" if row.holds else "**no**",
            ]
            for row in rows
        ],
    )


def _times(ratio: float | None) -> str:
    return NOTHING if ratio is None else f"{number(ratio)}×"


def measures(by_name: dict[str, Measured]) -> str:
    """What each contender took."""
    heads = ["", "runs", "CPU s", "wall s", "peak MB", "wrong cells"]
    rows = []
    for name, one in by_name.items():
        if one.failure:
            rows.append([name, "failed", NOTHING, NOTHING, NOTHING, one.failure])
            continue
        runs, wrong = str(len(one.outcomes)), number(one.wrong)
        rows.append([name, runs, number(one.cpu), number(one.wall), f"{one.peak / 1e6:,.0f}", wrong])
    return table(heads, rows)
