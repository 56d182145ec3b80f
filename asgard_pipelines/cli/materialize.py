"""`asgard materialize`: online views up to date, now and here."""

from __future__ import annotations

from typing import Annotated

import typer

from asgard_pipelines.cli.console import AsJson
from asgard_pipelines.cli.plan import End, Start, window


def materialize(
    views: Annotated[list[str], typer.Argument(help="Online views, as customer_orders.")],
    start: Start = None,
    end: End = None,
    as_json: AsJson = False,
) -> int:
    """Bring online views to what their tables hold now: what changed since the last time, and no more.

    With --start and --end: only rows of those event times, where nothing newer is stored.
    """
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.cli.runs import run_and_tell
    from asgard_pipelines.graph import asked_assets, asked_tags, new_materialization_id
    from asgard_pipelines.settings import Settings

    span = window(start, end)
    settings = Settings.read()
    declarations = read_declarations(settings)
    assets = [key.to_user_string() for key in asked_assets(declarations, views, span)]
    tags = asked_tags(settings, new_materialization_id(), span)
    return run_and_tell(settings, declarations, assets, as_json, tags)
