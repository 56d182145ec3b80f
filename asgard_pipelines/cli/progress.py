"""A run as it happens: on a terminal with what is running now, elsewhere one line per event."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from asgard_pipelines.cli.console import diagnostics

if TYPE_CHECKING:
    from asgard_pipelines.graph import RunEvent

_MARKS = {"materialized": "[green]✓[/]", "failed": "[red]✗[/]", "skipped": "[dim]·[/]"}


class RunProgress:
    """Listens to runs (`heard` takes their events) and shows them on stderr."""

    def __init__(self) -> None:
        self._console = diagnostics()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._running: dict[str, tuple[TaskID, float]] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def heard(self, event: RunEvent) -> None:
        """What happened to one asset of a run."""
        if event.kind == "started":
            task = self._progress.add_task(escape(event.asset), total=None)
            self._running[event.asset] = (task, time.monotonic())
        elif event.kind in _MARKS:
            self._ended(event.asset, event.kind)
        elif event.kind == "checked" and event.message.endswith("failed"):
            self._console.print(
                f"[yellow]![/]   {escape(event.asset)}: {escape(event.message)}", soft_wrap=True
            )

    def note(self, text: str) -> None:
        self._console.print(f"  [dim]{escape(text)}[/]", soft_wrap=True)

    def _ended(self, asset: str, kind: str) -> None:
        """An asset of many partitions is materialized many times; the first time says it all."""
        if asset not in self._running:
            return
        task, since = self._running.pop(asset)
        self._progress.remove_task(task)
        seconds = time.monotonic() - since
        self._console.print(f"{_MARKS[kind]} {escape(asset):<44} [dim]{seconds:5.1f} s[/]", soft_wrap=True)
