"""Plots side by side, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes

_OURS, _FLOOR = "#1d4ed8", "#9ca3af"
_PEERS = ("#b45309", "#d97706", "#fbbf24", "#fde68a")


@dataclass(frozen=True)
class Bars:
    title: str
    groups: Mapping[str, Mapping[str, float | None]]
    """Group -> name -> value; None is left out."""


@dataclass(frozen=True)
class Lines:
    title: str
    lines: Mapping[str, Mapping[float, float]]
    """Name -> how many times the data -> value."""


def draw(panels: Sequence[Bars | Lines], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4.6 * len(panels), 4.2), squeeze=False)
    for panel, axis in zip(panels, axes[0], strict=True):
        axis.set_title(panel.title, loc="left", fontsize=11, fontweight="bold", pad=12)
        axis.spines[["top", "right"]].set_visible(False)
        if isinstance(panel, Bars):
            _bars(panel, axis)
        else:
            _lines(panel, axis)
    figure.tight_layout(w_pad=3)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def _bars(panel: Bars, axis: Axes) -> None:
    """Groups from top to bottom; each bar says its name and value."""
    place, ticks, labels = 0.2, [], []
    greatest = max(value for group in panel.groups.values() for value in group.values() if value)
    for title, group in panel.groups.items():
        axis.text(0, place, title, fontsize=9, va="center", color="#374151")
        place += 1
        peers = iter(_PEERS)
        for name, value in group.items():
            colour = _OURS if name == "ours" else _FLOOR if name == "floor" else next(peers)
            if value is None:
                continue
            axis.barh(place, value, color=colour, height=0.78)
            axis.text(value + greatest / 60, place, _said(value), fontsize=9, va="center")
            ticks.append(place)
            labels.append(name)
            place += 1
        place += 0.4
    axis.set_yticks(ticks, labels, fontsize=9)
    axis.invert_yaxis()
    axis.set_xlim(0, greatest * 1.18)
    axis.xaxis.set_visible(False)
    axis.spines["bottom"].set_visible(False)
    axis.tick_params(axis="y", length=0)


def _lines(panel: Lines, axis: Axes) -> None:
    peers = iter(_PEERS)
    for name, points in panel.lines.items():
        colour = _OURS if name.startswith("ours") else _FLOOR if name.startswith("floor") else next(peers)
        dashed = (
            "--" if name.startswith("ours") and axis.lines and axis.lines[0].get_color() == _OURS else "-"
        )
        axis.plot(list(points), list(points.values()), dashed, color=colour, marker="o", label=name)
    axis.set_xscale("log")
    axis.set_yscale("log")
    every = sorted({times for points in panel.lines.values() for times in points})
    axis.set_xticks(every, [f"{times:g}x" for times in every])
    axis.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    axis.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(matplotlib.ticker.FuncFormatter(_a_few))
    axis.grid(color="#e5e7eb", linewidth=0.8)
    axis.set_ylim(bottom=axis.get_ylim()[0] / 4)  # room for the legend
    axis.legend(fontsize=8, frameon=False, loc="lower right")


def _a_few(value: float, _: int) -> str:
    """Between powers of ten, 2 and 5 are named."""
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def _said(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
