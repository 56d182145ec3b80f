"""Ending and deprecating what is declared: the same for views, services and models, and as over REST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from asgard_pipelines.cli.console import answer, console

if TYPE_CHECKING:
    from asgard_pipelines.project import Deprecable
    from asgard_pipelines.settings import Settings

AUTHOR = "cli"
"""Who declares and ends, in the history of what was made over REST."""
Instead = Annotated[str | None, typer.Option("--instead", help="What to use in its place.")]
Undo = Annotated[bool, typer.Option("--undo", help="Take a deprecation back.")]


def delete_declared(kind: Deprecable, name: str, *, as_json: bool) -> None:
    """Raises DeclarationNotFound; Conflict: something else needs it, and is named."""
    from asgard_pipelines.project import remove
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    remove(settings, kind, name, AUTHOR)
    publish(settings)
    if as_json:
        answer({"deleted": name})
    else:
        console().print(f"[green]✓[/] '{name}' is declared no more.")


def deprecate_declared(kind: Deprecable, name: str, instead: str | None, undo: bool, as_json: bool) -> None:
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.project import deprecate, needed_by, restore
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    declarations = read_declarations(settings)
    if undo:
        restore(settings, declarations, kind, name, AUTHOR)
    else:
        deprecate(settings, declarations, kind, name, AUTHOR, instead=instead)
    publish(settings)
    users = needed_by(declarations, kind, name)
    if as_json:
        status = "in use" if undo else "deprecated"
        answer({"name": name, "status": status, "instead": instead, "needed_by": users})
        return
    said = "is deprecated no more" if undo else "is deprecated: nothing new can be built on it"
    console().print(f"[green]✓[/] '{name}' {said}.")
    for user in users:
        console().print(f"  {user} uses it, and goes on", style="dim")


def publish(settings: Settings) -> None:
    """Feast's registry and a running Dagster hold what is declared now."""
    from asgard_pipelines.cli.declared import apply_if_changed, read_declarations
    from asgard_pipelines.cli.running import running
    from asgard_pipelines.errors import BackendUnavailable
    from asgard_pipelines.graph import reload_location

    apply_if_changed(settings, read_declarations(settings))
    house = running(settings)
    if house and (problem := reload_location(house.dagster)):
        raise BackendUnavailable(f"Dagster could not load the definitions: {problem}")
