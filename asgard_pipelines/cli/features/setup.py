"""`asgard features setup`: generated files become tables, registered, online, and looked up once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asgard_pipelines.cli.console import AsJson, answer, console, diagnostics, grid

if TYPE_CHECKING:
    from asgard_pipelines.cli.features.landings import GeneratedLanding
    from asgard_pipelines.declarations import Declarations, FeatureView
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.settings import Settings

_TOLD = {"landed": "landed", "unchanged": "there already", "kept": "others' rows, left as they are"}
Data = Annotated[Path, typer.Option("--data", help="The folder that `asgard features generate` wrote to.")]


def setup(data: Data = Path("data"), as_json: AsJson = False) -> int:
    """Land the generated files, apply the definitions, bring their views online, and read them back.

    Run again, it does what is left to do: rows that have landed do not land again.
    """
    from asgard_pipelines.cli.declared import apply_declarations, read_declarations
    from asgard_pipelines.cli.demo.repo import ensure_repo
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    if not settings.repo.exists() and ensure_repo(settings):
        diagnostics().print(f"Wrote the demo's declarations to {settings.repo}", style="dim")
    declarations = read_declarations(settings)
    lakehouse = Lakehouse(settings)
    with _step(1, "Landing the generated rows"):
        landings = _land(lakehouse, declarations, data)
    with _step(2, "Applying the definitions to the registry"):
        changes = apply_declarations(settings, declarations)
        for change in changes:
            diagnostics().print(f"  {change}", style="dim", markup=False)
    views = _views(declarations)
    with _step(3, "Bringing the views online"):
        succeeded = _materialize(settings, declarations, views)
    if not succeeded:
        return 1
    with _step(4, "Reading them back"):
        from asgard_pipelines.cli.features.verification import verify

        verified = verify(settings, lakehouse, declarations, views)
    if as_json:
        answer(
            {
                "landed": [landing._asdict() for landing in landings],
                "changes": changes,
                "materialized": [view.name for view in views],
                "verified": [one._asdict() for one in verified],
            }
        )
    else:
        _show(verified)
    return 0 if all(one.complete for one in verified) else 1


def _land(lakehouse: Lakehouse, declarations: Declarations, data: Path) -> list[GeneratedLanding]:
    """Raises Invalid: a table is not there, and no file to make it from."""
    import pyarrow.parquet as parquet

    from asgard_pipelines.cli.features.landings import land_generated
    from asgard_pipelines.cli.features.synthetic import TABLES
    from asgard_pipelines.cli.landing import external_table
    from asgard_pipelines.errors import Invalid

    landings = []
    for name in TABLES:
        path, table = data / f"{name}.parquet", external_table(declarations, name).table
        if path.is_file():
            landing = land_generated(lakehouse, declarations, name, parquet.read_table(path))
            landings.append(landing)
            diagnostics().print(
                f"  {landing.table}: {landing.rows:,} rows, {_TOLD[landing.outcome]}", style="dim"
            )
        elif not lakehouse.exists(table):
            raise Invalid(
                f"There is no {path}, and no {table} yet. Make the files first: asgard features generate",
                file=str(path),
                table=table,
            )
    return landings


def _views(declarations: Declarations) -> list[FeatureView]:
    """The online views over the tables."""
    from asgard_pipelines.cli.features.synthetic import TABLES
    from asgard_pipelines.cli.landing import external_table
    from asgard_pipelines.errors import Invalid

    tables = {external_table(declarations, name).table for name in TABLES}
    views = [view for view in declarations.views if view.online and view.table in tables]
    if not views:
        raise Invalid(f"No view over {', '.join(sorted(tables))} is declared `online`.")
    return views


def _materialize(settings: Settings, declarations: Declarations, views: list[FeatureView]) -> bool:
    from asgard_pipelines.cli.progress import RunProgress
    from asgard_pipelines.cli.runs import tell_failures
    from asgard_pipelines.graph import (
        asked_assets,
        asked_tags,
        new_materialization_id,
        prepare_instance,
        run_assets,
    )

    prepare_instance(settings)
    assets = asked_assets(declarations, [view.name for view in views])
    selection = " or ".join(f'key:"{key.to_user_string()}"' for key in assets)
    with RunProgress() as progress:
        tags = asked_tags(settings, new_materialization_id(), None)
        outcome = run_assets(settings, declarations, selection, tags=tags, on_event=progress.heard)
    tell_failures([outcome])
    return outcome.succeeded


@contextmanager
def _step(number: int, title: str) -> Iterator[None]:
    started = time.monotonic()
    diagnostics().print(f"[bold]{number}/4 {title}[/] …")
    yield
    diagnostics().print(f"  [green]done[/] in {time.monotonic() - started:.1f} s")


def _show(verified: list[Any]) -> None:
    out = console()
    out.print()
    rows = [
        (
            one.feature_service,
            one.customer_id,
            one.features,
            one.found,
            f"{one.online_ms:.1f} ms",
            one.history,
        )
        for one in verified
    ]
    columns = ["service", "customer", "features", "online", "in", "as of now"]
    out.print(grid(columns, rows, right=columns[2:]))
    for one in verified:
        if one.differing:
            told = f"✗ {one.feature_service}: online and as of now differ in {', '.join(one.differing)}"
            diagnostics().print(told, style="red")
