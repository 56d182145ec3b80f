"""`asgard init`: a small project of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asgard_pipelines.cli.console import AsJson, answer, console


def init(
    name: Annotated[str, typer.Argument(help="The project's name: a new folder of this name is made.")],
    empty: Annotated[bool, typer.Option("--empty", help="Only what a project needs, no example.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a new project: its own declarations and state, beside whatever else is here."""
    from asgard_pipelines.project import init as make

    written = make(Path(name), empty=empty)
    if as_json:
        answer({"project": name, "files": written})
        return
    out = console()
    for path in written:
        out.print(f"  {path}", markup=False)
    out.print(
        f"\n[green]✓[/] {name} is there. From here on it is the project:\n\n  export ASGARD_REPO={name}\n"
    )
    out.print(f"{name}/{'gold/README.md' if empty else 'README.md'} says how to go on.")
