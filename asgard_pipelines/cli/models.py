"""`asgard models`: the models that are declared, and their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from asgard_pipelines.cli.console import AsJson, answer, console, grid
from asgard_pipelines.cli.ending import AUTHOR, Instead, Undo, deprecate_declared, publish

if TYPE_CHECKING:
    from asgard_pipelines.declarations import Declarations
    from asgard_pipelines.models import ModelVersion

app = typer.Typer(help="List, show, promote, roll back, end and deprecate models.", no_args_is_help=True)
Model = Annotated[str, typer.Argument(help="The model's name.")]
ModelId = Annotated[str, typer.Argument(help="A model's name, or one version: NAME_VERSION or NAME@ALIAS.")]


@app.command(name="list")
def list_models(as_json: AsJson = False) -> None:
    """List every model, with its champion."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.models import ModelRegistry
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    declarations, versions = read_declarations(settings), ModelRegistry(settings).versions()
    names = {one.model.name for one in declarations.models} | {one.model for one in versions}
    found = [_told(declarations, name, [v for v in versions if v.model == name]) for name in sorted(names)]
    if as_json:
        answer({"models": found})
        return
    rows = (
        [one["name"], one["champion"], len(one["versions"]), bool(one["deprecated"]), one["declared_in"]]
        for one in found
    )
    columns = ["name", "champion", "versions", "deprecated", "declared in"]
    console().print(grid(columns, rows, right=["versions"]))


@app.command()
def show(name: Model, as_json: AsJson = False) -> None:
    """Show one model with all its versions, and what needs it."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.models import ModelRegistry
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    declarations = read_declarations(settings)
    versions = ModelRegistry(settings).versions(name) if name.isidentifier() else []
    if not versions:
        declarations.model(name)
    told = _told(declarations, name, versions)
    if as_json:
        answer(told)
        return
    out = console()
    out.print(grid(["", ""], ((key, value) for key, value in told.items() if key != "versions"), wraps=""))
    columns = ["version", "candidate", "framework", "aliases", "deprecated"]
    out.print(grid(columns, ([one[column] for column in columns] for one in told["versions"])))


@app.command()
def promote(
    model_id: Annotated[str, typer.Argument(help="The version: NAME_VERSION, or NAME@ALIAS.")],
    alias: Annotated[str, typer.Option("--alias", help="Which alias it gets.")] = "champion",
    as_json: AsJson = False,
) -> None:
    """Give a version an alias: as champion it predicts from now on, until an election beats it."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.graph import promote_named
    from asgard_pipelines.models import ModelRegistry
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    version = ModelRegistry(settings).find(model_id)
    declarations = read_declarations(settings)
    _say(promote_named(settings, declarations, version.model, version.model_id, alias, AUTHOR), as_json)


@app.command()
def rollback(name: Model, as_json: AsJson = False) -> None:
    """Make the version champion again that was it before."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.graph import roll_back
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    _say(roll_back(settings, read_declarations(settings), name, AUTHOR), as_json)


@app.command()
def delete(model_id: ModelId, as_json: AsJson = False) -> None:
    """End a model that was made over REST, or deprecate one version. What needs it is named, and it stays."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.models import ModelRegistry
    from asgard_pipelines.project import end_model
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    ended = end_model(settings, ModelRegistry(settings), read_declarations(settings), model_id, AUTHOR)
    if ended == "deleted":
        publish(settings)
    if as_json:
        answer({"model_id": model_id, "status": ended})
    else:
        said = "is declared no more; its versions stay" if ended == "deleted" else "is deprecated"
        console().print(f"[green]✓[/] '{model_id}' {said}.")


@app.command()
def deprecate(name: Model, instead: Instead = None, undo: Undo = False, as_json: AsJson = False) -> None:
    """Let no new prediction table use a model. Who uses it goes on, and is told."""
    deprecate_declared("model", name, instead, undo, as_json)


def _say(promoted: ModelVersion, as_json: bool) -> None:
    if as_json:
        answer({"model_id": promoted.model_id, "aliases": promoted.aliases})
    else:
        console().print(f"[green]✓[/] {promoted.model_id} is {', '.join(promoted.aliases)} now.")


def _told(declarations: Declarations, name: str, versions: list[ModelVersion]) -> dict[str, Any]:
    from asgard_pipelines.models import CHAMPION
    from asgard_pipelines.project import needed_by

    declared = next((one.model for one in declarations.models if one.model.name == name), None)
    deprecated = declared.deprecated if declared else None
    return {
        "name": name,
        "champion": next((one.model_id for one in versions if CHAMPION in one.aliases), None),
        "declared_in": declared.where.file if declared else None,
        "deprecated": deprecated.model_dump(mode="json") if deprecated else None,
        "needed_by": needed_by(declarations, "model", name),
        "versions": [
            {
                "model_id": one.model_id,
                "version": one.version,
                "candidate": one.candidate,
                "framework": one.framework,
                "aliases": one.aliases,
                "deprecated": one.deprecated,
            }
            for one in versions
        ],
    }
