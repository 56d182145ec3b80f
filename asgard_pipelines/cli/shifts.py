"""Distributions that shifted, drawn: both histograms side by side, and a bar for how far."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from asgard_pipelines.cli.console import grid, shown

if TYPE_CHECKING:
    from asgard_pipelines.training import Distribution, Shift

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"
_MOST = 20
_BAR = 10
_FULL = 0.5
"""The stability index that fills the bar."""
_SHIFTED, _SOME = 0.25, 0.1
_WIDE = 110
"""From this many columns on there is room for the means too."""


def shifts(label: Shift | None, features: Sequence[Shift], width: int) -> RenderableType:
    """The label first, then the features, the most shifted first."""
    wide = width >= _WIDE
    rows = []
    for one in ([label] if label else []) + list(features[:_MOST]):
        name = Text(one.column).append(" label" if one is label else "", style="dim")
        told = (_moved(one),) if wide else ()
        a, b = _spark(one, one.a), _spark(one, one.b)
        rows.append(
            (name, _nulls(one), *told, a, b, f"{one.psi:.3f}", bar(one.psi / _FULL, _BAR, _style(one.psi)))
        )
    head = ["", "nulls", *(["mean"] if wide else []), "A", "B", "PSI", ""]
    drawn = grid(head, rows, right=["nulls", "PSI"])
    hidden = len(features) - _MOST
    return Group(drawn, Text(f"{hidden} more, less shifted.", style="dim")) if hidden > 0 else drawn


def bar(share: float, width: int, style: str) -> Text:
    """A bar of `width` cells at share 1; what is there at all has at least a sliver."""
    eighths = min(round(share * width * 8), width * 8)
    eighths = max(eighths, 1) if share > 0 else 0
    return Text("█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip(), style=style)


def _spark(one: Shift, side: Distribution) -> Text:
    """Heights are of both sides' highest bar; what is not there is a point."""
    highest = max([*one.a.bars, *one.b.bars], default=0.0)
    marks = ["·" if share == 0 else _HEIGHTS[min(int(share / highest * 8), 7)] for share in side.bars]
    return Text("".join(marks), style="magenta" if side is one.a else "cyan")


def _style(psi: float) -> str:
    return "red" if psi >= _SHIFTED else "yellow" if psi >= _SOME else "green"


def _nulls(one: Shift) -> str:
    a, b = (f"{side.nulls / side.rows:.0%}" if side.rows else "–" for side in (one.a, one.b))
    return a if a == b else f"{a} → {b}"


def _moved(one: Shift) -> str:
    """The means, or the category whose share moved most."""
    if one.kind != "category":
        a, b = _mean(one.a), _mean(one.b)
        return a if a == b else f"{a} → {b}"
    if not one.a.bars or not one.b.bars:
        return "–"
    moved = max(range(len(one.labels)), key=lambda place: abs(one.a.bars[place] - one.b.bars[place]))
    a, b = (f"{side.bars[moved]:.0%}" for side in (one.a, one.b))
    return f"{one.labels[moved]} " + (a if a == b else f"{a} → {b}")


def _mean(side: Distribution) -> str:
    mean = side.mean
    return mean.strftime("%Y-%m-%d") if isinstance(mean, datetime) else "–" if mean is None else shown(mean)
