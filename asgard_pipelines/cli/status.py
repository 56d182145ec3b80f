"""`asgard status`: what stands in the house."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from asgard_pipelines.cli.console import AsJson, answer, console, grid
from asgard_pipelines.cli.house_state import ago, house_state
from asgard_pipelines.cli.plan import VERDICT_STYLES

_SHOWN_DECISIONS = 8
_LEADING = ("roc_auc", "log_loss", "accuracy", "rmse", "mae", "r2_score")
"""Test metrics in the order in which a person asks for them."""
_SHOWN_METRICS = 3
_WIDE = 100
"""From this many columns on there is room for snapshot ids."""
_KINDS = ("external", "built", "training_set", "prediction", "other")


def status(as_json: AsJson = False) -> None:
    """Show tables, models, predictions, checks and the last decisions."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    state = house_state(settings, read_declarations(settings))
    if as_json:
        answer(state)
    else:
        show(state, console())


def show(state: dict[str, Any], out: Console) -> None:
    """The house on one screen."""
    _section(
        out,
        "Tables",
        _tables(state["tables"], out.width),
        "None yet: `asgard land` a file, or run `asgard demo`.",
    )
    _section(out, "Models", _models(state["models"]), "None trained yet: `asgard train MODEL`.")
    _section(out, "Predictions", _predictions(state["predictions"]), "None declared.")
    _section(out, "Checks", _checks(state["checks"]), "None evaluated yet.")
    _section(
        out, "Last decisions", _decisions(state["decisions"]), "None yet: the sensor runs with `asgard up`."
    )


def _section(out: Console, title: str, body: RenderableType | None, empty: str) -> None:
    out.print(f"[bold cyan]{title}[/]")
    out.print(Padding(body if body is not None else Text(empty, style="dim"), (0, 0, 1, 2)))


def _tables(tables: list[dict[str, Any]], width: int) -> RenderableType | None:
    if not tables:
        return None
    snapshot = ["snapshot"] if width >= _WIDE else []
    rows = [
        (
            table["name"],
            Text(table["kind"].replace("_", " "), style="dim"),
            table["rows"],
            *(str(table[column] or "") for column in snapshot),
            _day(table["watermark"] or table["newest"]),
            ago(table["updated"]),
        )
        for table in sorted(tables, key=lambda table: (_KINDS.index(table["kind"]), table["name"]))
    ]
    return grid(["table", "", "rows", *snapshot, "data up to", "written"], rows, right=["rows"])


def _models(versions: list[dict[str, Any]]) -> RenderableType | None:
    """For each model its newest versions: those trained on the newest training set, and the champion."""
    if not versions:
        return None
    blocks: list[RenderableType] = []
    for name, held in groupby(versions, key=lambda version: version["name"]):
        known = list(held)
        newest = known[0]["training_snapshot"]
        current = [v for v in known if v["training_snapshot"] == newest or v["aliases"]]
        metrics = _metrics(current)
        rows = [
            (
                _candidate(version),
                version["version"],
                *(_figure(version["metrics"].get(f"test_{metric}")) for metric in metrics),
                Text("★ " + ", ".join(version["aliases"]) if version["aliases"] else "", style="green"),
            )
            for version in current
        ]
        older = len(known) - len(current)
        blocks.append(
            f"[bold]{name}[/]  [dim]trained on snapshot {newest}"
            + (f"; {older} older version{'s' if older > 1 else ''}" if older else "")
            + "[/]"
        )
        table = grid(["candidate", "version", *metrics, "alias"], rows, right=metrics)
        blocks += [Padding(table, (0, 0, 0, 2)), ""]
    return Group(*blocks[:-1])


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:,.4f}" if abs(value) < 10 else f"{value:,.2f}"


def _candidate(version: dict[str, Any]) -> str:
    name, framework = version["candidate"], version["framework"]
    return str(name) if name == framework else f"{name} ({framework})"


def _metrics(versions: Iterable[dict[str, Any]]) -> list[str]:
    names = {name for version in versions for name in version["metrics"] if name.startswith("test_")}
    present = {name.removeprefix("test_") for name in names}
    ordered = [metric for metric in _LEADING if metric in present]
    return (ordered + sorted(present - set(ordered)))[:_SHOWN_METRICS]


def _predictions(predictions: list[dict[str, Any]]) -> RenderableType | None:
    if not predictions:
        return None
    rows = [
        (
            prediction["table"],
            prediction["model"],
            prediction["model_version"] or "not yet",
            prediction["rows"],
            _day(max(prediction["last_times"])) if prediction["last_times"] else "all rows",
        )
        for prediction in predictions
    ]
    return grid(["table", "model", "version", "rows", "last scored"], rows, right=["rows"])


def _day(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%d")


def _checks(checks: list[dict[str, Any]]) -> RenderableType | None:
    if not checks:
        return None
    judged = [check for check in checks if check["passed"] is not None]
    failed = [check for check in judged if not check["passed"]]
    unknown = len(checks) - len(judged)
    passed = f"[green]✓[/] {len(judged) - len(failed)} of {len(judged)} passed"
    passed += f", {unknown} not evaluated yet" if unknown else ""
    lines = [
        Text.assemble(
            ("✗ ", "red" if check["severity"] == "ERROR" else "yellow"),
            f"{check['asset']} {check['check']}: {check['description']}",
        )
        for check in failed
    ]
    return Group(passed, *lines)


def _decisions(decisions: list[dict[str, Any]]) -> RenderableType | None:
    if not decisions:
        return None
    rows = [
        (
            ago(decision["at"]),
            decision["subject"],
            Text(decision["verdict"], style=VERDICT_STYLES.get(decision["verdict"], "dim")),
            decision["reason"],
        )
        for decision in decisions[:_SHOWN_DECISIONS]
    ]
    return grid(["when", "what", "verdict", "why"], rows, wraps="why")
