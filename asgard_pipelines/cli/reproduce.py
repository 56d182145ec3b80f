"""`asgard reproduce`: a model version made again from its sources as they were, and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from asgard_pipelines.cli.console import AsJson, answer, console, diagnostics, grid
from asgard_pipelines.cli.house_state import ago

if TYPE_CHECKING:
    from asgard_pipelines.training import Reproduction, RowChanges

NAMED = "`NAME_VERSION` as `asgard status` shows them, `NAME@ALIAS`, or `NAME` for its champion."
_SHORT = 16
"""Digits of a hash that an eye compares."""
_WIDE = 180
"""From this many columns on there is room for whole hashes."""


def reproduce(model_version: Annotated[str, typer.Argument(help=NAMED)], as_json: AsJson = False) -> int:
    """Make a model version again from the snapshots it was trained on, and compare both hashes.

    A version is named NAME_VERSION as `asgard status` shows them, NAME@ALIAS, or NAME for its champion.
    Nothing is written. Exit code 1 when the rows or the model come out otherwise.
    """
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.models import ModelRegistry
    from asgard_pipelines.settings import Settings
    from asgard_pipelines.training import reproduce as make_again

    settings = Settings.read()
    with diagnostics().status("Looking the version up …") as status:
        version = ModelRegistry(settings).find(model_version)
        made = make_again(settings, Lakehouse(settings), version, lambda step: status.update(f"{step} …"))
    if as_json:
        answer(document(made))
    else:
        show(made, console())
    return 0 if made.reproduced else 1


def document(made: Reproduction) -> dict[str, Any]:
    version, origin = made.version, made.origin
    return {
        "reproduced": made.reproduced,
        "model_version": version.model_id,
        "candidate": version.candidate,
        "read": origin.training_set.sources,
        "training_set": {
            "rows": {"then": origin.training_set.rows, "now": made.rows},
            "content_hash": {"then": version.content_hash, "now": made.content_hash},
            "equal": made.same_rows,
            "changes": made.row_changes,
        },
        "model": {
            "sha256": {
                name: {"then": version.sha256.get(name), "now": digest} for name, digest in made.files.items()
            },
            "equal": made.same_model,
        },
        "threads": origin.threads,
        "libraries": {name: {"then": then, "now": now} for name, (then, now) in made.moved_libraries.items()},
        "changed_functions": made.changed_functions,
        "reasons": [] if made.reproduced else made.reasons,
    }


def show(made: Reproduction, out: Console) -> None:
    """Then and now on one screen."""
    version, training_set = made.version, made.origin.training_set
    crown = "".join(f", [green]★ {alias}[/]" for alias in version.aliases)
    out.print(f"[bold]{version.model_id}[/]  {version.candidate}{crown}, trained {ago(version.created_at)}\n")
    read = [(table, str(snapshot), _role(made, table)) for table, snapshot in training_set.sources.items()]
    _section(out, "Read", grid(["table", "snapshot", ""], read))
    _section(out, "Compared", _compared(made, out.width))
    if made.row_changes is not None:
        _section(out, "Rows", _rows(made.row_changes))
    moved = [(name, then, now) for name, (then, now) in made.moved_libraries.items()]
    if moved:
        _section(out, "Libraries that moved", grid(["", "then", "now"], moved))
    out.print(_verdict(made))


def _role(made: Reproduction, table: str) -> Text:
    """What the training set has from the table."""
    roles = ["rows and label"] if table == made.origin.resolved.source else []
    roles += ["features"] if any(view.table == table for view in made.origin.declarations.views) else []
    return Text(", ".join(roles), style="dim")


def _section(out: Console, title: str, body: RenderableType) -> None:
    out.print(f"[bold cyan]{title}[/]")
    out.print(Padding(body, (0, 0, 1, 2)))


def _compared(made: Reproduction, width: int) -> RenderableType:
    version, then = made.version, made.origin.training_set.rows
    rows = f"{made.rows:,} rows" if made.rows == then else f"{then:,} rows then, {made.rows:,} now"
    compared = [("training set", version.content_hash, made.content_hash, rows)]
    compared += [(name, version.sha256.get(name, "none"), digest, "") for name, digest in made.files.items()]
    digits = None if width >= _WIDE else _SHORT
    return grid(
        ["", "then", "now", ""],
        [
            (
                what,
                was[:digits],
                Text(now[:digits], style="" if was == now else "red"),
                _mark(was == now, note),
            )
            for what, was, now, note in compared
        ],
    )


def _rows(changes: RowChanges) -> RenderableType:
    counts = {"changed": changes.changed, "then only": changes.only_a, "now only": changes.only_b}
    columns = ", ".join(f"{name} in {count:,}" for name, count in changes.changed_columns.items())
    told = Text(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    return told.append(f"  {columns}" if columns else "", style="dim")


def _mark(equal: bool, note: str) -> Text:
    mark = Text("✓ equal", style="green") if equal else Text("✗ differs", style="red")
    return mark.append(f"  {note}", style="dim")


def _verdict(made: Reproduction) -> Text:
    if made.reproduced:
        text = "✓ Reproduced: the same rows and the same bytes."
        if made.changed_functions:
            text += (
                f" Of {', '.join(made.changed_functions)} the function changed, and what it gives did not."
            )
        return Text(text, style="green").append(" Nothing was written.", style="dim")
    lost = "the rows come out otherwise" if not made.same_rows else "the rows are the same, the model is not"
    text = f"✗ Not reproduced: {lost}."
    if made.reasons:
        text += f" It may be that {', that '.join(made.reasons)}."
    elif not made.same_rows:
        text += " Nothing has moved that is known of: compare the sources' files with a backup."
    return Text(text, style="red").append(" Nothing was written.", style="dim")
