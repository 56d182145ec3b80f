"""`asgard backfill`: a range of partitions again."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from asgard_pipelines.cli.console import AsJson, answer, console, diagnostics


def backfill(
    asset: Annotated[str, typer.Argument(help="A partitioned asset, as gold/customer_aggregates.")],
    first: Annotated[str, typer.Option("--from", help="The first partition's key.")],
    last: Annotated[str, typer.Option("--to", help="The last partition's key.")],
    as_json: AsJson = False,
) -> int:
    """Build a range of partitions of an asset again, as a backfill that the UI shows."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.cli.supervisor import daemon
    from asgard_pipelines.graph import launch_backfill, prepare_instance
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    declarations = read_declarations(settings)
    prepare_instance(settings)
    bar = Progress(
        TextColumn(f"{asset} {first} to {last}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=diagnostics(),
    )
    with daemon(settings) as is_there, bar:
        task = bar.add_task("starting", total=None)
        outcome = launch_backfill(
            settings,
            declarations,
            asset,
            first,
            last,
            on_progress=lambda words, done, total: bar.update(
                task, description=words, completed=done, total=total
            ),
            daemon_is_alive=is_there,
        )
    if as_json:
        answer(outcome)
    elif outcome.succeeded:
        console().print(
            f"[green]✓[/] {len(outcome.partitions)} partitions of {asset}: backfill {outcome.backfill_id}"
        )
    else:
        diagnostics().print(
            f"✗ Backfill {outcome.backfill_id} ended as {outcome.status}: look at its runs in Dagster's UI.",
            style="red",
        )
    return 0 if outcome.succeeded else 1
