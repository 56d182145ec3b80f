"""`asgard flush`: pushed rows into their tables, now."""

from __future__ import annotations

from dataclasses import asdict

from asgard_pipelines.cli.console import AsJson, answer, console, diagnostics


def flush(as_json: AsJson = False) -> int:
    """Append pushed rows that wait to the tables of their feature views, without waiting for Dagster."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.features import HeldBack, flush_pushes
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    flushed, held = [], []
    for one in flush_pushes(settings, Lakehouse(settings), read_declarations(settings)):
        if isinstance(one, HeldBack):
            held.append(one)
            if not as_json:
                told = f"✗ {one.rows:,} rows of {one.feature_view} wait: {one.reason}"
                diagnostics().print(told, style="red", markup=False)
            continue
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
        answer({"flushed": flushed, "held": [asdict(one) for one in held]})
    elif not flushed and not held:
        console().print("No pushed rows wait.", style="dim")
    return 1 if held else 0
