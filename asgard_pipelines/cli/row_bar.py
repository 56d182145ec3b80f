"""How far an asset is through its rows: a bar, how fast they go, and how long the rest will take."""

from __future__ import annotations

from rich.progress import BarColumn, ProgressColumn, Task
from rich.progress_bar import ProgressBar
from rich.table import Column
from rich.text import Text


class RowBar(ProgressColumn):
    """In the room that the other columns leave; nothing for a task without rows."""

    def __init__(self) -> None:
        super().__init__(Column(ratio=1))
        self._bar = BarColumn(bar_width=40)

    def render(self, task: Task) -> ProgressBar | Text:
        return Text() if task.total is None else self._bar.render(task)


class RowFigures(ProgressColumn):
    """Nothing for a task without rows."""

    max_refresh = 0.5  # seconds: figures that change faster cannot be read

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        return Text() if task.total is None else Text(f"{figures(task):>34}")


def figures(task: Task) -> str:
    """`62 %, 412,000 rows/s, 5 s left`."""
    parts = [f"{task.percentage:.0f} %"]
    if task.speed:
        parts.append(per_second(task.speed))
    if task.speed and task.time_remaining is not None and not task.finished:
        parts.append(f"{duration(task.time_remaining)} left")
    return ", ".join(parts)


def per_second(rate: float) -> str:
    """Three digits that count: more of them would only flicker."""
    return f"{float(f'{rate:.3g}'):,.0f} rows/s"


def duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {whole % 60:02} s"
