"""`asgard plan`: what would be done now, and why."""

from __future__ import annotations

from rich.text import Text

from asgard_pipelines.cli.console import AsJson, answer, console, grid

VERDICT_STYLES = {
    "train": "green",
    "retry": "yellow",
    "promote": "green",
    "build": "cyan",
    "predict": "cyan",
    "wait": "yellow",
}
"""Verdict -> colour; what is not named here changes nothing."""


def plan(as_json: AsJson = False) -> None:
    """Check the declarations, and show what is due with the reason. Nothing is changed."""
    from asgard_pipelines.cli.declared import read_declarations
    from asgard_pipelines.graph import due
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    decisions = due(settings, read_declarations(settings))
    if as_json:
        answer({"decisions": decisions})
        return
    rows = [
        (d.subject, Text(d.verdict, style=VERDICT_STYLES.get(d.verdict, "dim")), d.reason) for d in decisions
    ]
    console().print(grid(["what", "verdict", "why"], rows, wraps="why"))
