"""`asgard services`: the feature services that are declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from asgard_pipelines.cli.console import AsJson, answer, console, grid
from asgard_pipelines.cli.ending import Instead, Undo, delete_declared, deprecate_declared

if TYPE_CHECKING:
    from asgard_pipelines.declarations import Declarations, FeatureService

app = typer.Typer(help="List, show, end and deprecate feature services.", no_args_is_help=True)
Service = Annotated[str, typer.Argument(help="The service's name.")]


@app.command(name="list")
def list_services(as_json: AsJson = False) -> None:
    """List every feature service: the repo's and those made over REST."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.settings import Settings

    declarations = read_declarations(Settings.read())
    found = [_told(declarations, service) for service in declarations.services]
    if as_json:
        answer({"services": found})
        return
    columns = ["name", "feature_views", "declared_in", "deprecated"]
    rows = ([one[column] for column in columns[:-1]] + [bool(one["deprecated"])] for one in found)
    console().print(grid(columns, rows, wraps="feature_views"))


@app.command()
def show(name: Service, as_json: AsJson = False) -> None:
    """Show one feature service, and which models name it."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.errors import DeclarationNotFound, did_you_mean
    from asgard_pipelines.settings import Settings

    declarations = read_declarations(Settings.read())
    services = {service.name: service for service in declarations.services}
    if name not in services:
        raise DeclarationNotFound(
            f"Feature service '{name}' not found.{did_you_mean(name, services)}",
            available_services=sorted(services),
        )
    told = _told(declarations, services[name])
    if as_json:
        answer(told)
    else:
        console().print(grid(["", ""], told.items(), wraps=""))


@app.command()
def delete(name: Service, as_json: AsJson = False) -> None:
    """End a service that was made over REST. What needs it is named, and it stays then."""
    delete_declared("feature_service", name, as_json=as_json)


@app.command()
def deprecate(name: Service, instead: Instead = None, undo: Undo = False, as_json: AsJson = False) -> None:
    """Let nobody new use a service. Who uses it goes on, and is told."""
    deprecate_declared("feature_service", name, instead, undo, as_json)


def _told(declarations: Declarations, service: FeatureService) -> dict[str, Any]:
    from asgard_pipelines.project import needed_by

    return {
        "name": service.name,
        "feature_views": [part.view for part in service.views],
        "features": [f"{part.view}:{feature}" for part in service.views for feature in part.features],
        "declared_in": service.where.file,
        "deprecated": service.deprecated.model_dump(mode="json") if service.deprecated else None,
        "needed_by": needed_by(declarations, "feature_service", service.name),
    }
