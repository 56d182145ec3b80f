"""`asgard features generate` and `asgard features setup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asgard_pipelines.cli.console import AsJson, answer, console
from asgard_pipelines.cli.features.setup import setup

Customers = Annotated[int, typer.Option(min=1, max=5_000_000, help="How many, beside test_customer.")]
Months = Annotated[int, typer.Option(min=1, max=120, help="How many months, up to --until.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same rows.")]
Until = Annotated[str | None, typer.Option(help="The last month, as 2026-11. This one by default.")]
Out = Annotated[Path, typer.Option(help="The folder to write to.")]

app = typer.Typer(
    help="Make up the integration guide's features, and set them up.",
    no_args_is_help=True,
)
app.command()(setup)


@app.command()
def generate(
    customers: Customers = 1000,
    months: Months = 12,
    seed: Seed = 0,
    until: Until = None,
    out: Out = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Make up subscribers, and write their features as Parquet files: the same ones for the same seed."""
    import pyarrow.parquet as parquet

    from asgard_pipelines.cli.features.synthetic import synthetic_tables

    written = []
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in synthetic_tables(customers, months, seed, until).items():
        path = out / f"{name}.parquet"
        parquet.write_table(rows, path)
        written.append({"file": str(path), "rows": rows.num_rows, "bytes": path.stat().st_size})
        if not as_json:
            console().print(f"[green]✓[/] {path}  {rows.num_rows:,} rows", soft_wrap=True)
    if as_json:
        answer({"files": written, "customers": customers, "months": months, "seed": seed})
    else:
        console().print("  Synthetic: nobody in them lives. Next: asgard features setup", style="dim")
