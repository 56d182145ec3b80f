"""`asgard build`: what the sensor would do, now and here."""

from __future__ import annotations

from rich.markup import escape

from asgard_pipelines.cli.console import AsJson, answer, console


def build(as_json: AsJson = False) -> int:
    """Build, train and predict whatever is due, in this process.

    The running sensor does the same by itself; this is for when nothing runs.
    """
    from asgard_pipelines.cli.declared import apply_if_changed, read_declarations
    from asgard_pipelines.cli.progress import RunProgress
    from asgard_pipelines.cli.runs import tell_failures
    from asgard_pipelines.graph import due, reconcile
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    declarations = read_declarations(settings)
    apply_if_changed(settings, declarations)
    with RunProgress() as progress:
        outcomes = reconcile(settings, declarations, on_event=progress.heard)
    succeeded = all(outcome.succeeded for outcome in outcomes)
    waiting = [decision for decision in due(settings, declarations) if decision.verdict == "wait"]
    if as_json:
        answer({"succeeded": succeeded, "runs": outcomes, "waiting": waiting})
        return 0 if succeeded else 1
    tell_failures(outcomes)
    if not outcomes:
        console().print("Nothing is due.")
    for decision in waiting:
        console().print(f"[yellow]…[/] {decision.subject} waits: {escape(decision.reason)}", soft_wrap=True)
    return 0 if succeeded else 1
