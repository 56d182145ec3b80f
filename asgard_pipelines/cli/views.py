"""`asgard views`: the feature views that are declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from asgard_pipelines.cli.console import AsJson, answer, console, grid
from asgard_pipelines.cli.ending import Instead, Undo, delete_declared, deprecate_declared

if TYPE_CHECKING:
    from asgard_pipelines.declarations import Declarations, FeatureView, OnDemandView

app = typer.Typer(help="List, show, end and deprecate feature views.", no_args_is_help=True)
View = Annotated[str, typer.Argument(help="The view's name.")]


@app.command(name="list")
def list_views(as_json: AsJson = False) -> None:
    """List every feature view: the repo's and those made over REST."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.settings import Settings

    declarations = read_declarations(Settings.read())
    found = [_told(declarations, view) for view in sorted(declarations.all_views, key=lambda one: one.name)]
    if as_json:
        answer({"views": found})
        return
    columns = ["name", "entities", "features", "table", "deprecated"]
    rows = ([one[column] for column in columns[:-1]] + [bool(one["deprecated"])] for one in found)
    console().print(grid(columns, rows, wraps="features"))


@app.command()
def show(name: View, as_json: AsJson = False) -> None:
    """Show one feature view, and what needs it."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.errors import FeatureViewNotFound
    from asgard_pipelines.settings import Settings

    declarations = read_declarations(Settings.read())
    views = {view.name: view for view in declarations.all_views}
    if name not in views:
        raise FeatureViewNotFound(name, views)
    told = _told(declarations, views[name])
    if as_json:
        answer(told)
    else:
        console().print(grid(["", ""], told.items(), wraps=""))


@app.command()
def delete(name: View, as_json: AsJson = False) -> None:
    """End a view that was made over REST. What needs it is named, and it stays then."""
    delete_declared("feature_view", name, as_json=as_json)


@app.command()
def deprecate(name: View, instead: Instead = None, undo: Undo = False, as_json: AsJson = False) -> None:
    """Let nobody new use a view. Who uses it goes on, and is told."""
    deprecate_declared("feature_view", name, instead, undo, as_json)


def _told(declarations: Declarations, view: FeatureView | OnDemandView) -> dict[str, Any]:
    from asgard_pipelines.project import needed_by

    stored = {"entities": getattr(view, "entities", []), "table": getattr(view, "table", None)}
    return {
        "name": view.name,
        **stored,
        "features": [feature.name for feature in view.features],
        "declared_in": view.where.file,
        "deprecated": view.deprecated.model_dump(mode="json") if view.deprecated else None,
        "needed_by": needed_by(declarations, "feature_view", view.name),
    }
