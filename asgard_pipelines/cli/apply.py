"""`asgard apply`: what is declared becomes what is there."""

from __future__ import annotations

from asgard_pipelines.cli.console import AsJson, answer, console


def apply(as_json: AsJson = False) -> None:
    """Compile the declarations, apply them to Feast, and reload Dagster if it runs."""
    from asgard_pipelines.cli.declared import apply_declarations, read_declarations
    from asgard_pipelines.cli.running import running
    from asgard_pipelines.errors import BackendUnavailable
    from asgard_pipelines.graph import reload_location
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    declarations = read_declarations(settings)
    changes = apply_declarations(settings, declarations)
    house = running(settings)
    if house and (problem := reload_location(house.dagster)):
        raise BackendUnavailable(f"Dagster could not load the definitions: {problem}")
    counts = {
        "gold": len(declarations.gold),
        "views": len(declarations.views) + len(declarations.on_demand_views),
        "services": len(declarations.services),
        "models": len(declarations.models),
        "predictions": len(declarations.predictions),
    }
    if as_json:
        answer({"declared": counts, "changes": changes, "reloaded": house is not None})
        return
    out = console()
    out.print("[green]✓[/] declared: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))
    for change in changes:
        out.print(f"  {change}", markup=False)
    if not changes:
        out.print("  Feast's registry was up to date already", style="dim")
    if house:
        out.print(f"  Dagster shows it now: {house.dagster}")
