"""`asgard status`: what stands in the house."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from asgard_pipelines.cli.console import AsJson, answer, console, grid
from asgard_pipelines.cli.house_state import ago, house_state
from asgard_pipelines.cli.plan import VERDICT_STYLES

_SHOWN_DECISIONS = 6
_LEADING = (
    "test_roc_auc",
    "test_auc",
    "test_r2",
    "test_rmse",
    "test_mae",
    "test_f1",
    "test_accuracy",
    "test_log_loss",
)
"""Metrics in the order in which a person asks for them."""


def status(as_json: AsJson = False) -> None:
    """Show tables, models, predictions, checks and the last decisions."""
    from asgard_pipelines.project import load
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    state = house_state(settings, load(settings))
    if as_json:
        answer(state)
    else:
        show(state, console())


def show(state: dict[str, Any], out: Console) -> None:
    """The house on one screen."""
    _section(out, "Tables", _tables(state["tables"]), "None yet: `asgard land` a file, or run `asgard demo`.")
    _section(out, "Models", _models(state["models"]), "None trained yet: `asgard train MODEL`.")
    _section(out, "Predictions", _predictions(state["predictions"]), "None declared.")
    _section(out, "Checks", _checks(state["checks"]), "None evaluated yet.")
    _section(
        out, "Last decisions", _decisions(state["decisions"]), "None yet: the sensor runs with `asgard up`."
    )


def _section(out: Console, title: str, body: RenderableType | None, empty: str) -> None:
    out.print(f"[bold cyan]{title}[/]")
    out.print(Padding(body if body is not None else Text(empty, style="dim"), (0, 0, 1, 2)))


def _tables(tables: list[dict[str, Any]]) -> RenderableType | None:
    if not tables:
        return None
    rows = [
        (
            t["name"],
            t["kind"],
            t["rows"],
            t["snapshot"] and str(t["snapshot"]),
            t["watermark"] or t["newest"],
            ago(t["updated"]),
        )
        for t in tables
    ]
    return grid(["table", "", "rows", "snapshot", "data up to", "written"], rows, right=["rows"])


def _models(versions: list[dict[str, Any]]) -> RenderableType | None:
    """For each model its newest versions: those trained on the newest training set, and the champion."""
    if not versions:
        return None
    blocks: list[RenderableType] = []
    for name, held in groupby(versions, key=lambda v: v["name"]):
        known = list(held)
        newest = known[0]["training_snapshot"]
        shown = [v for v in known if v["training_snapshot"] == newest or v["aliases"]]
        metrics = _metrics(shown)
        rows = [
            (
                v["candidate"],
                v["framework"],
                v["version"],
                *(v["metrics"].get(metric) for metric in metrics),
                "★ " + ", ".join(v["aliases"]) if v["aliases"] else "",
            )
            for v in shown
        ]
        titles = [metric.removeprefix("test_") for metric in metrics]
        blocks.append(f"[bold]{name}[/]  [dim]trained on {shown[0]['training_table']}@{newest}[/]")
        table = grid(["candidate", "framework", "version", *titles, "alias"], rows, right=titles)
        blocks.append(Padding(table, (0, 0, 0, 2)))
        if len(known) > len(shown):
            blocks.append(f"  [dim]and {len(known) - len(shown)} older versions[/]")
    return Group(*blocks)


def _metrics(versions: Iterable[dict[str, Any]]) -> list[str]:
    present = {metric for version in versions for metric in version["metrics"] if metric.startswith("test_")}
    ordered = [metric for metric in _LEADING if metric in present]
    return (ordered + sorted(present - set(ordered)))[:5]


def _predictions(predictions: list[dict[str, Any]]) -> RenderableType | None:
    if not predictions:
        return None
    rows = [
        (
            p["table"],
            f"{p['model']} {p['model_version'] or ''}",
            p["rows"],
            p["last_times"],
            ago(p["predicted_at"]) if p["predicted_at"] else "not yet",
        )
        for p in predictions
    ]
    return grid(["table", "model", "rows", "last scored", "published"], rows, right=["rows"])


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
    return grid(["when", "what", "verdict", "why"], rows)
