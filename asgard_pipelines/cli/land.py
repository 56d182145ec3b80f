"""`asgard land`: a file into an external table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asgard_pipelines.cli.console import AsJson, answer, console


def land(
    table: Annotated[str, typer.Argument(help="A declared external table, as gold.purchases.")],
    file: Annotated[Path, typer.Argument(help="A .csv or .parquet file.")],
    as_json: AsJson = False,
) -> None:
    """Append a file's rows to an external table, as one snapshot.

    The first landing creates the table. A file that has landed already does nothing, whatever it is called.
    """
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.cli.landing import column_types, content_key, external_table, land_rows, read_rows
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    lakehouse = Lakehouse(settings)
    declared = external_table(read_declarations(settings), table)
    rows = read_rows(file, column_types(lakehouse, declared))
    commit = land_rows(
        lakehouse, declared, rows, key=content_key(file), properties={"asgard.file": file.name}
    )
    if as_json:
        answer(
            {
                "table": declared.table,
                "snapshot": commit.pin.snapshot_id,
                "rows": rows.num_rows if commit.landed else 0,
                "landed": commit.landed,
            }
        )
        return
    where = f"in {declared.table}, as snapshot {commit.pin.snapshot_id}"
    if commit.landed:
        console().print(f"[green]✓[/] {rows.num_rows:,} rows landed {where}")
    else:
        console().print(f"[yellow]=[/] {file.name} is there already {where}: nothing to do")
