"""Running assets from the command line, and telling how it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from asgard_pipelines.cli.console import answer, diagnostics
from asgard_pipelines.cli.progress import RunProgress

if TYPE_CHECKING:
    from asgard_pipelines.declarations import Declarations
    from asgard_pipelines.graph import RunOutcome
    from asgard_pipelines.settings import Settings


def run_and_tell(
    settings: Settings,
    declarations: Declarations,
    assets: Sequence[str],
    as_json: bool,
    tags: Mapping[str, str] | None = None,
) -> int:
    """Runs the assets in this process; 0 if all succeeded, else 1. `tags` are the run's."""
    from asgard_pipelines.graph import run_assets

    selection = " or ".join(f'key:"{asset}"' for asset in assets)
    with RunProgress() as progress:
        outcome = run_assets(settings, declarations, selection, tags=tags, on_event=progress.heard)
    if as_json:
        answer(outcome)
    else:
        tell_failures([outcome])
    return 0 if outcome.succeeded else 1


def tell_failures(outcomes: Sequence[RunOutcome]) -> None:
    for outcome in outcomes:
        for failure in outcome.failures:
            diagnostics().print(f"✗ {failure}", style="red", markup=False)
