"""`asgard up`: the UIs and the daemon, until Ctrl-C."""

from __future__ import annotations

from asgard_pipelines.cli.console import AsJson


def up(as_json: AsJson = False) -> None:
    """Run Dagster (UI, daemon, code server) and MLflow's UI until Ctrl-C."""
    from asgard_pipelines.cli.declared import apply_if_changed, read_declarations
    from asgard_pipelines.cli.ports import require_free_ports
    from asgard_pipelines.cli.supervisor import require_not_running, serve
    from asgard_pipelines.graph import prepare_instance
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    require_not_running(settings)
    require_free_ports(settings)
    prepare_instance(settings)
    apply_if_changed(settings, read_declarations(settings))
    serve(settings, as_json=as_json)
