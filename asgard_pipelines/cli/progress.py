"""A run as it happens: on a terminal with what is running now, elsewhere one line per event."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, Task, TaskID, TextColumn, TimeElapsedColumn

from asgard_pipelines.cli.console import diagnostics
from asgard_pipelines.cli.row_bar import RowBar, RowFigures, figures, per_second

if TYPE_CHECKING:
    from asgard_pipelines.graph import RunEvent

_MARKS = {"materialized": "[green]✓[/]", "failed": "[red]✗[/]", "skipped": "[dim]·[/]"}
_SECONDS_BETWEEN_LINES = 10.0


@dataclass
class _Running:
    task: TaskID
    since: float
    told: float


class RunProgress:
    """Listens to runs (`heard` takes their events) and shows them on stderr. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._console = diagnostics()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            RowFigures(),
            RowBar(),
            console=self._console,
            get_time=clock,
            expand=True,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._running: dict[str, _Running] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def heard(self, event: RunEvent) -> None:
        """What happened to one asset of a run."""
        if event.kind == "started":
            task, now = self._progress.add_task(escape(event.asset), total=None), self._clock()
            self._running[event.asset] = _Running(task, since=now, told=now)
        elif event.kind == "rows" and event.asset in self._running:
            self._rows(event, self._running[event.asset])
        elif event.kind in _MARKS:
            self._ended(event.asset, event.kind)
        elif event.kind == "checked" and event.message.endswith("failed"):
            self._console.print(
                f"[yellow]![/]   {escape(event.asset)}: {escape(event.message)}", soft_wrap=True
            )

    def note(self, text: str) -> None:
        self._console.print(f"  [dim]{escape(text)}[/]", soft_wrap=True)

    def _rows(self, event: RunEvent, running: _Running) -> None:
        self._progress.update(running.task, completed=event.done, total=event.total)
        now = self._clock()
        if not self._console.is_terminal and now - running.told > _SECONDS_BETWEEN_LINES:
            running.told = now
            self.note(f"{event.asset}: {figures(self._task(running))}")

    def _ended(self, asset: str, kind: str) -> None:
        """An asset of many partitions is materialized many times; the first time says it all."""
        if asset not in self._running:
            return
        running = self._running.pop(asset)
        task, seconds = self._task(running), self._clock() - running.since
        self._progress.remove_task(running.task)
        rows = f", {task.completed:,.0f} rows at {per_second(task.completed / seconds)}" if task.total else ""
        self._console.print(
            f"{_MARKS[kind]} {escape(asset):<44} [dim]{seconds:5.1f} s{rows}[/]", soft_wrap=True
        )

    def _task(self, running: _Running) -> Task:
        return next(task for task in self._progress.tasks if task.id == running.task)
