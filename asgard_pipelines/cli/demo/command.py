"""`asgard demo` and `asgard demo land`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from asgard_pipelines.cli.console import AsJson, answer, command_name, console, diagnostics

if TYPE_CHECKING:
    from asgard_pipelines.declarations import Declarations
    from asgard_pipelines.settings import Settings

_NEXT = {
    "demo land": "land the next month; the running sensor retrains and predicts",
    'sql "SELECT * FROM gold.churn_predictions"': "any SELECT, in Trino's dialect",
    "init my_project": "declare your own table, view, model and prediction",
    "--help": "everything else",
}

app = typer.Typer(help="Build and run the demo on real data.", invoke_without_command=True)


@app.callback()
def demo(
    context: typer.Context,
    no_serve: Annotated[
        bool, typer.Option("--no-serve", help="End after the work, without the UIs.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Build the demo's lakehouse from real data, train, predict, and leave the UIs running.

    Run again, it continues where it stands.
    """
    if context.invoked_subcommand:
        return 0
    from asgard_pipelines.cli.demo.repo import ensure_repo
    from asgard_pipelines.cli.ports import require_free_ports
    from asgard_pipelines.cli.serving import become_up, require_not_running
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    if not no_serve:
        settings.require_tokens_beyond_loopback()
        require_not_running(settings)
        require_free_ports(settings)
    if ensure_repo(settings):
        diagnostics().print(f"Wrote the demo's declarations to {settings.repo}", style="dim")
    code = _build(settings, as_json and no_serve)
    if code == 0 and not no_serve:
        become_up(as_json=as_json)
    return code


@app.command()
def land(as_json: AsJson = False) -> int:
    """Land the next month of purchases, as whoever writes the table would."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.cli.demo.landings import land_next_month
    from asgard_pipelines.cli.running import running
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    landed, left = land_next_month(Lakehouse(settings), read_declarations(settings))
    if as_json:
        answer({"landed": landed._asdict() if landed else None, "left": left})
        return 0
    out = console()
    if landed is None:
        out.print("No month is left: all of 1997-01 to 1998-06 has landed.")
        return 0
    out.print(
        f"[green]✓[/] {landed.rows:,} purchases of {landed.name} landed in {landed.table} "
        f"as snapshot {landed.snapshot}. Left: {', '.join(left) or 'none'}."
    )
    house = running(settings)
    if house:
        out.print(f"  The sensor looks every 15 s; watch it retrain and predict: {house.dagster}/runs")
    else:
        out.print("  Nothing watches now: `asgard up` starts the sensor, `asgard build` catches up here.")
    return 0


def _build(settings: Settings, as_json: bool) -> int:
    """Lands, applies and runs what is due; prints what there is then. 0 if no run failed."""
    from asgard_pipelines.cli.declared import apply_if_changed, read_declarations
    from asgard_pipelines.cli.house_state import house_state
    from asgard_pipelines.cli.progress import RunProgress
    from asgard_pipelines.cli.runs import tell_failures
    from asgard_pipelines.cli.status import show
    from asgard_pipelines.graph import prepare_instance, reconcile

    prepare_instance(settings)
    with _phase("Compiling what feature_repo declares, and applying it to Feast"):
        declarations = read_declarations(settings)
        for change in apply_if_changed(settings, declarations):
            diagnostics().print(f"  {change}", style="dim", markup=False)
    with _phase("Landing the months up to 1998-03, each as a snapshot"):
        _land(settings, declarations)
    with _phase("Building, training and predicting what is due"), RunProgress() as progress:
        outcomes = reconcile(settings, declarations, on_event=progress.heard)
        if not outcomes:
            progress.note("nothing is due: all of it is up to date")
    tell_failures(outcomes)
    state = house_state(settings, declarations)
    if as_json:
        answer(state)
    else:
        console().print()
        show(state, console())
        _where_to_look()
    return 0 if all(outcome.succeeded for outcome in outcomes) else 1


def _land(settings: Settings, declarations: Declarations) -> None:
    from asgard_pipelines.cli.demo.landings import land_first_months
    from asgard_pipelines.lakehouse import Lakehouse

    landed = False
    for landing in land_first_months(Lakehouse(settings), declarations):
        landed = True
        diagnostics().print(
            f"  {landing.table} {landing.name}: {landing.rows:,} rows", style="dim", markup=False
        )
    if not landed:
        diagnostics().print("  all landed already", style="dim")


@contextmanager
def _phase(title: str) -> Iterator[None]:
    started = time.monotonic()
    diagnostics().print(f"[bold]{title}[/] …")
    yield
    diagnostics().print(f"  [green]done[/] in {time.monotonic() - started:.1f} s")


def _where_to_look() -> None:
    out = console()
    out.print("[bold cyan]Where to look next[/]")
    for arguments, what in _NEXT.items():
        out.print(f"  [bold]{command_name()} {arguments}[/]\n      [dim]{what}[/]")
    out.print()
