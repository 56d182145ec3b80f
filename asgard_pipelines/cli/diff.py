"""`asgard diff`: what differs between the training sets of two model versions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from asgard_pipelines.cli.console import AsJson, answer, console, diagnostics, grid, shown
from asgard_pipelines.cli.house_state import ago
from asgard_pipelines.cli.reproduce import NAMED
from asgard_pipelines.cli.shifts import bar, shifts

if TYPE_CHECKING:
    from asgard_pipelines.training import Comparison, Side

_SHORT = 16
"""Digits of a hash that an eye compares."""
_LOWER_IS_BETTER = ("log_loss", "mse", "rmse", "mae")


def diff(
    model_a: Annotated[str, typer.Argument(help=NAMED)],
    model_b: Annotated[str, typer.Argument(help="The version to hold against it.")],
    as_json: AsJson = False,
) -> None:
    """Show what differs between the training sets of two model versions, and how they were fitted.

    A version is named NAME_VERSION as `asgard status` shows them, NAME@ALIAS, or NAME for its champion.
    """
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.models import ModelRegistry
    from asgard_pipelines.settings import Settings
    from asgard_pipelines.training import compare

    settings = Settings.read()
    with diagnostics().status("Looking the versions up …") as status:
        registry = ModelRegistry(settings)
        a, b = registry.find(model_a), registry.find(model_b)
        found = compare(settings, Lakehouse(settings), a, b, lambda step: status.update(f"{step} …"))
    if as_json:
        answer(document(found))
    else:
        show(found, console())


def document(found: Comparison) -> dict[str, Any]:
    rest = found.model_dump(mode="json", exclude={"a", "b"})
    return {"a": _told(found.a), "b": _told(found.b), **rest}


def _told(side: Side) -> dict[str, Any]:
    version = side.version
    return {
        "model_version": version.model_id,
        "candidate": version.candidate,
        "aliases": version.aliases,
        "first": side.first,
        "last": side.last,
        **side.training_set.model_dump(mode="json", exclude={"model"}),
    }


def show(found: Comparison, out: Console) -> None:
    """The two versions on one page; what does not differ takes a line."""
    for name, side in (("A", found.a), ("B", found.b)):
        version = side.version
        crown = "".join(f", [green]★ {alias}[/]" for alias in version.aliases)
        trained = f"{version.candidate}{crown}, trained {ago(version.created_at)}"
        out.print(f"[bold]{name}  {version.model_id}[/]  {trained}")
    out.print()
    _section(out, "Training sets", _training_sets(found))
    _section(out, "Sources", _sources(found))
    if _same(found):
        _section(out, "Rows", Text("The same rows, columns and values.", style="dim"))
    else:
        _section(out, "Rows", _rows(found))
        _section(out, "Columns", _columns(found))
        _section(out, "Distributions", shifts(found.label, found.features, out.width))
    _section(out, "Declarations", _changes(found.declared, "Declared alike."))
    _section(out, "Fitting", _changes(found.candidates, "Fitted alike."))
    _section(out, "Metrics", _metrics(found))


def _same(found: Comparison) -> bool:
    return found.a.training_set.content_hash == found.b.training_set.content_hash


def _section(out: Console, title: str, body: RenderableType) -> None:
    out.print(f"[bold cyan]{title}[/]")
    out.print(Padding(body, (0, 0, 1, 2)))


def _training_sets(found: Comparison) -> RenderableType:
    sides = (found.a, found.b)
    sets = [side.training_set for side in sides]
    lines: list[tuple[str, list[Any]]] = [
        ("rows", [f"{one.rows:,}" for one in sets]),
        ("train, gap, test", [f"{one.train_rows:,}, {one.gap_rows:,}, {one.test_rows:,}" for one in sets]),
        ("times", [f"{shown(side.first)} – {shown(side.last)}" for side in sides]),
        ("train until", [one.train_end for one in sets]),
        ("test from", [one.test_start for one in sets]),
        ("snapshot", [str(one.snapshot_id) for one in sets]),
        ("content", [one.content_hash[:_SHORT] for one in sets]),
    ]
    rows = [
        (Text(name, style="dim"), a, b if a != b else Text("the same", style="dim")) for name, (a, b) in lines
    ]
    return grid(["", "A", "B"], rows)


def _sources(found: Comparison) -> RenderableType:
    rows = []
    for one in found.sources:
        same = one.a == one.b
        b = Text("the same", style="dim") if same else _snapshot(one.b)
        rows.append((one.table, _snapshot(one.a), b, *(("", "") if same else (one.added, one.removed))))
    return grid(["table", "A", "B", "added", "removed"], rows, right=["added", "removed"])


def _snapshot(snapshot: int | None) -> Text:
    return Text("not read", style="dim") if snapshot is None else Text(str(snapshot))


def _rows(found: Comparison) -> RenderableType:
    rows = found.rows
    if rows is None:
        return Text(
            "A row is identified by other columns in B: they cannot be held against each other.", style="dim"
        )
    counts = [
        ("equal", rows.equal, "green"),
        ("in both, changed", rows.changed, "yellow"),
        ("only in A", rows.only_a, "red"),
        ("only in B", rows.only_b, "cyan"),
    ]
    total = sum(count for _, count, _ in counts) or 1
    drawn = grid(
        [f"by {', '.join(rows.identity)}", "rows", ""],
        [(name, count, bar(count / total, 24, style)) for name, count, style in counts],
        right=["rows"],
    )
    if not rows.changed_columns:
        return drawn
    changed = ", ".join(f"{name} in {count:,}" for name, count in rows.changed_columns.items())
    return Group(drawn, Text(f"Changed: {changed}."))


def _columns(found: Comparison) -> RenderableType:
    columns = found.columns
    lines = [Text(f"+ {name}", style="cyan") for name in columns.added]
    lines += [Text(f"- {name}", style="red") for name in columns.removed]
    lines += [Text(f"~ {name}: {a} → {b}", style="yellow") for name, (a, b) in columns.retyped.items()]
    return Group(*lines) if lines else Text("The same columns.", style="dim")


def _changes(changes: Sequence[Any], none: str) -> RenderableType:
    if not changes:
        return Text(none, style="dim")
    rows = [(change.field, _value(change.a), _value(change.b)) for change in changes]
    return grid(["field", "A", "B"], rows, wraps="B")


def _value(value: Any) -> Any:
    if isinstance(value, timedelta):
        return str(value).removesuffix(", 0:00:00")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _metrics(found: Comparison) -> RenderableType:
    rows = []
    for name in dict.fromkeys(name.split("_", 1)[1] for name in found.metrics):
        parts = [found.metrics.get(f"{part}_{name}", (None, None)) for part in ("test", "train")]
        rows.append((name, *(cell for a, b in parts for cell in (_figure(a), _figure(b), _gain(name, a, b)))))
    head = ["test A", "test B", "gain", "train A", "train B", "gain"]
    note = "Both on the same rows." if _same(found) else "Each on its own rows."
    return Group(grid(["metric", *head], rows, right=head), Text(note, style="dim"))


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:,.4f}"


def _gain(name: str, a: float | None, b: float | None) -> Text:
    if a is None or b is None or round(b - a, 4) == 0:
        return Text("")
    better = (b < a) if name in _LOWER_IS_BETTER else (b > a)
    return Text(f"{b - a:+,.4f}", style="green" if better else "red")
