"""`asgard train`: one model now, whatever its policy says."""

from __future__ import annotations

from typing import Annotated

import typer

from asgard_pipelines.cli.console import AsJson


def train(
    model: Annotated[str, typer.Argument(help="A declared model.")],
    as_json: AsJson = False,
) -> int:
    """Train a model's candidates on the current snapshots and elect the best."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.cli.runs import run_and_tell
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    declarations = read_declarations(settings)
    candidates = [f"models/{model}/{c.name}" for c in declarations.model(model).model.all_candidates]
    return run_and_tell(
        settings, declarations, [f"training_sets/{model}", *candidates, f"models/{model}"], as_json
    )
