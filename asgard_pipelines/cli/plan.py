"""`asgard plan`: what would be done now, and why."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from asgard_pipelines.cli.console import AsJson, answer, console, grid
from asgard_pipelines.cli.row_bar import duration

if TYPE_CHECKING:
    from asgard_pipelines.declarations import Declarations
    from asgard_pipelines.features.materialization import MaterializationPlan, Window
    from asgard_pipelines.settings import Settings

VERDICT_STYLES = {
    "train": "green",
    "retry": "yellow",
    "promote": "green",
    "build": "cyan",
    "predict": "cyan",
    "wait": "yellow",
}
"""Verdict -> colour; what is not named here changes nothing."""

_ONLINE = "online/"
_UNITS = ("bytes", "kB", "MB", "GB", "TB")

Start = Annotated[datetime | None, typer.Option("--start", help="First event time (UTC) of the rows.")]
End = Annotated[datetime | None, typer.Option("--end", help="Last event time (UTC) of the rows, included.")]


def plan(
    asset: Annotated[
        str | None,
        typer.Argument(help="An online view, as online/customer_orders: what bringing it up takes."),
    ] = None,
    start: Start = None,
    end: End = None,
    as_json: AsJson = False,
) -> None:
    """Check the declarations, and show what is due with the reason. Nothing is changed."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    declarations = read_declarations(settings)
    if asset is not None:
        _plan_online(settings, declarations, asset, window(start, end), as_json)
    else:
        _plan_all(settings, declarations, as_json)


def window(start: datetime | None, end: datetime | None) -> Window | None:
    """Raises UsageError: one of both is missing, or they are the wrong way round."""
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise typer.BadParameter("--start and --end belong together.")
    if start > end:
        raise typer.BadParameter(f"--start {start} is after --end {end}.")
    return start, end


def _plan_all(settings: Settings, declarations: Declarations, as_json: bool) -> None:
    from asgard_pipelines.graph import due

    decisions = due(settings, declarations)
    if as_json:
        answer({"decisions": decisions})
        return
    rows = [
        (d.subject, Text(d.verdict, style=VERDICT_STYLES.get(d.verdict, "dim")), d.reason) for d in decisions
    ]
    console().print(grid(["what", "verdict", "why"], rows, wraps="why"))


def _plan_online(
    settings: Settings, declarations: Declarations, asset: str, asked: Window | None, as_json: bool
) -> None:
    from asgard_pipelines.errors import DeclarationNotFound, did_you_mean
    from asgard_pipelines.features.materialization import plan_materialization
    from asgard_pipelines.lakehouse import Lakehouse

    name = asset.removeprefix(_ONLINE)
    if name not in {view.name for view in declarations.all_views}:
        known = [view.name for view in declarations.views if view.online]
        raise DeclarationNotFound(
            f"No online view '{name}' to plan.{did_you_mean(name, known)} There are: {', '.join(known)}.",
            available=[f"{_ONLINE}{one}" for one in known],
        )
    view = declarations.online_view(name)
    planned = plan_materialization(settings, Lakehouse(settings), declarations, view, window=asked)
    if as_json:
        answer(planned)
    else:
        _show(planned)


def _show(planned: MaterializationPlan) -> None:
    out = console()
    out.print(f"[bold]{_ONLINE}{planned.view}[/]  from {planned.table}\n")
    if planned.window_start and planned.window_end:
        span = f"rows of {planned.window_start:%Y-%m-%d %H:%M} to {planned.window_end:%Y-%m-%d %H:%M}"
    else:
        span = f"snapshot {planned.from_snapshot or 'none'} → {planned.to_snapshot or 'none'}"
    out.print(f"  [cyan]{planned.kind}[/], {span}")
    if not planned.files:
        out.print(f"  [dim]{planned.reason} Nothing is to be done.[/]")
        return
    out.print(f"  [dim]{planned.reason}[/]\n")
    keys = f"at most {planned.keys_at_most:,}"
    rows = [
        ("files", f"{planned.files:,}"),
        ("rows", f"{planned.rows:,}"),
        ("to read", size(planned.bytes)),
        ("keys concerned", keys),
        ("time", f"about {duration(planned.seconds)}"),
    ]
    out.print(grid(["", ""], [(Text(name, style="dim"), value) for name, value in rows], right=[""]))
    command = f"asgard materialize {planned.view}"
    if planned.window_start and planned.window_end:
        command += f" --start {planned.window_start.isoformat()} --end {planned.window_end.isoformat()}"
    out.print(f"\n[dim]To do it:[/] {command}", soft_wrap=True)


def size(count: int) -> str:
    """`12.3 MB`."""
    amount, unit = float(count), 0
    while amount >= 1000 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:,.0f} bytes" if unit == 0 else f"{amount:,.1f} {_UNITS[unit]}"
