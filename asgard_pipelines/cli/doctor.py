"""`asgard doctor`: what is missing, and the command that mends it."""

from __future__ import annotations

from dataclasses import asdict

from asgard_pipelines.cli.console import AsJson, answer, console

_MARKS = {"ok": "[green]✓[/]", "note": "[cyan]·[/]", "warning": "[yellow]![/]", "missing": "[red]✗[/]"}


def doctor(as_json: AsJson = False) -> int:
    """Check the environment, the stores, the declarations and the running processes."""
    from asgard_pipelines.cli.examinations import examine
    from asgard_pipelines.settings import Settings

    findings = list(examine(Settings.read()))
    healthy = not any(finding.state == "missing" for finding in findings)
    if as_json:
        answer({"healthy": healthy, "findings": [asdict(finding) for finding in findings]})
        return 0 if healthy else 1
    out = console()
    for finding in findings:
        out.print(f"{_MARKS[finding.state]} [bold]{finding.subject:<14}[/]", end=" ")
        out.print(finding.message, markup=False)
        if finding.mend:
            out.print(f"{'':<17}[dim]→[/] {finding.mend}")
    out.print(
        "\n[green]All that is needed is there.[/]" if healthy else "\n[red]Something needed is missing.[/]"
    )
    return 0 if healthy else 1
