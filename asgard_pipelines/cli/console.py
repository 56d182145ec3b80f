"""What a command says: its answer on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

_WIDTH_OF_A_FILE = 120
"""Columns where no terminal says how many there are."""

_answers: IO[str] | None = None
"""Where answers go while a `--json` command runs: by then `sys.stdout` leads to stderr."""


@contextlib.contextmanager
def only_answers_on_stdout() -> Iterator[None]:
    """What libraries print goes to stderr; `answer` still reaches the true stdout."""
    global _answers
    _answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        yield
    _answers = None


def console() -> Console:
    """For people: highlights nothing on its own, so that colour always means something."""
    return _console(stderr=False)


def diagnostics() -> Console:
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    out = Console(stderr=stderr, highlight=False)
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out.width = _WIDTH_OF_A_FILE
    return out


def command_name() -> str:
    """How to call `asgard` from here: by its name where it is on the path, else by its place."""
    beside = Path(sys.executable).parent / "asgard"
    if shutil.which("asgard") or not beside.exists():
        return "asgard"
    return os.path.relpath(beside) if beside.is_relative_to(Path.cwd()) else str(beside)


def answer(document: Any) -> None:
    """The one JSON document of a command."""
    text = json.dumps(_finite(document), default=_plain, indent=2, allow_nan=False)
    print(text, file=_answers or sys.stdout, flush=True)


def _finite(value: Any) -> Any:
    """JSON knows no NaN and no infinity: they become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(held) for held in value]
    return _finite(value.model_dump(mode="json")) if hasattr(value, "model_dump") else value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} is not JSON")


def grid(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = (), wraps: str = ""
) -> Table:
    """A table in the house's one style; `right` names the columns of figures, `wraps` the one of prose."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    figures = set(right)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in figures else "left"
        table.add_column(column, justify=justify, no_wrap=column != wraps)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else shown(cell) for cell in row))
    return table


def shown(value: Any) -> str:
    """A value as a person reads it; markup in it is text."""
    from rich.markup import escape

    if value is None:
        return "[dim]–[/dim]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.2f}"
    if isinstance(value, datetime):
        whole_day = value.hour == value.minute == value.second == value.microsecond == 0
        return value.strftime("%Y-%m-%d" if whole_day else "%Y-%m-%d %H:%M:%S")
    if isinstance(value, Mapping):
        return ", ".join(f"{escape(str(k))} {shown(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(shown(v) for v in value) or "[dim]–[/dim]"
    return escape(str(value))
