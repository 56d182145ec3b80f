"""`asgard sql`: one SELECT in Trino's dialect, and the snapshots it read."""

from __future__ import annotations

from typing import Annotated

import typer

from asgard_pipelines.cli.console import AsJson, answer, console, grid


def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT in Trino's dialect.", metavar="SELECT…")],
    limit: Annotated[int, typer.Option(min=1, help="How many rows the table shows. JSON holds all.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Run a SELECT on the lakehouse.

    Tables are named `t`, `gold.t` or `iceberg.gold.t`; `FOR VERSION AS OF <snapshot>` reads the past.
    """
    from asgard_pipelines.lakehouse import Lakehouse, run_sql
    from asgard_pipelines.settings import Settings

    result = run_sql(Lakehouse(Settings.read()), statement)
    table = result.table
    reads = {pin.table: pin.snapshot_id for pin in result.reads}
    if as_json:
        answer({"columns": table.column_names, "rows": table.to_pylist(), "reads": reads})
        return
    import pyarrow as pa

    figures = [f.name for f in table.schema if pa.types.is_integer(f.type) or pa.types.is_floating(f.type)]
    rows = [list(row.values()) for row in table.slice(0, limit).to_pylist()]
    out = console()
    out.print(grid(table.column_names, rows, right=figures))
    shown = (
        f"the first {limit} of {table.num_rows:,} rows" if table.num_rows > limit else _rows(table.num_rows)
    )
    read = ", ".join(f"{name}@{snapshot}" for name, snapshot in reads.items())
    out.print(f"{shown}{' · read ' + read if read else ''}", style="dim")


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
