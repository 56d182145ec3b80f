"""`asgard up`: the API, the UIs and the daemon, until Ctrl-C or `asgard down`."""

from __future__ import annotations

from typing import Annotated

import typer

from asgard_pipelines.cli.console import AsJson


def up(
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once all is healthy, and leave it running.")
    ] = False,
    as_json: AsJson = False,
    prepared: Annotated[
        bool, typer.Option("--prepared", help="Compile and apply nothing: that was done just now.")
    ] = False,
) -> None:
    """Run the REST API, Dagster (UI, daemon, code server) and MLflow's UI until Ctrl-C."""
    from asgard_pipelines.cli.declared import apply_if_changed, read_declarations
    from asgard_pipelines.cli.detached import up_detached
    from asgard_pipelines.cli.ports import require_free_ports
    from asgard_pipelines.cli.serving import become_up, require_not_running, serve, tell
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    settings.require_tokens_beyond_loopback()
    require_not_running(settings)
    require_free_ports(settings)
    if prepared:
        serve(settings, as_json=as_json)
        return
    if detach:
        tell(up_detached(settings), settings, as_json=as_json)
        return
    from asgard_pipelines.graph import prepare_instance  # imports Dagster

    prepare_instance(settings)
    apply_if_changed(settings, read_declarations(settings))
    become_up(as_json=as_json)
