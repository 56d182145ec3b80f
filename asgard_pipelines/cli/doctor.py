"""`asgard doctor`: what is missing, and the command that mends it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from asgard_pipelines.cli.console import AsJson, answer, console

if TYPE_CHECKING:
    from asgard_pipelines.cli.examinations import Finding

_MARKS = {"ok": "[green]✓[/]", "note": "[cyan]·[/]", "warning": "[yellow]![/]", "missing": "[red]✗[/]"}


def doctor(as_json: AsJson = False) -> int:
    """Check the environment, the stores, the declarations and the running processes."""
    from asgard_pipelines.cli.examinations import examine
    from asgard_pipelines.settings import Settings

    findings = []
    for finding in examine(Settings.read()):
        findings.append(finding)
        if not as_json:
            _tell(finding)
    healthy = not any(finding.state == "missing" for finding in findings)
    if as_json:
        answer({"healthy": healthy, "findings": [asdict(finding) for finding in findings]})
    elif healthy:
        console().print("\n[green]All that is needed is there.[/]")
    else:
        console().print("\n[red]Something needed is missing.[/]")
    return 0 if healthy else 1


def _tell(finding: Finding) -> None:
    out = console()
    out.print(f"{_MARKS[finding.state]} [bold]{finding.subject:<14}[/]", end=" ")
    out.print(finding.message, markup=False, soft_wrap=True)
    if finding.mend:
        out.print(f"{'':<17}→ {finding.mend}", style="dim", markup=False, soft_wrap=True)
