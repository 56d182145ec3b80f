"""`asgard flush`: pushed rows into their tables, now."""

from __future__ import annotations

from asgard_pipelines.cli.console import AsJson, answer, console


def flush(as_json: AsJson = False) -> None:
    """Append pushed rows that wait to the tables of their feature views, without waiting for Dagster."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.features import flush_pushes
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    flushed = []
    for one in flush_pushes(settings, Lakehouse(settings), read_declarations(settings)):
        flushed.append(
            {
                "feature_view": one.feature_view,
                "table": one.table,
                "rows": one.rows,
                "snapshot_id": one.pin.snapshot_id,
            }
        )
        if not as_json:
            console().print(f"[green]✓[/] {one.rows:,} rows of {one.feature_view} are in {one.pin}")
    if as_json:
        answer({"flushed": flushed})
    elif not flushed:
        console().print("No pushed rows wait.", style="dim")
