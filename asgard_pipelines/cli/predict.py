"""`asgard predict`: one prediction table now."""

from __future__ import annotations

from typing import Annotated

import typer

from asgard_pipelines.cli.console import AsJson


def predict(
    name: Annotated[str, typer.Argument(help="A declared prediction table.")],
    as_json: AsJson = False,
) -> int:
    """Score a prediction table's rows with its model and publish them."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.cli.runs import run_and_tell
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    declarations = read_declarations(settings)
    declarations.prediction(name)
    return run_and_tell(settings, declarations, [f"predictions/{name}"], as_json)
