"""`asgard down`: the end of what `asgard up` started."""

from __future__ import annotations

from asgard_pipelines.cli.console import AsJson, answer, console

_WITHIN_SECONDS = 60


def down(as_json: AsJson = False) -> None:
    """Stop the house that `asgard up` runs here, wherever it was started."""
    import psutil

    from asgard_pipelines.cli.running import running
    from asgard_pipelines.errors import BackendUnavailable, Conflict
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    house = running(settings)
    if house is None:
        raise Conflict(f"Nothing runs here that could be stopped: {settings.state_folder} is at rest.")
    process = psutil.Process(house.pid)
    process.terminate()
    try:
        process.wait(_WITHIN_SECONDS)
    except psutil.TimeoutExpired:
        raise BackendUnavailable(
            f"Process {house.pid} did not end within {_WITHIN_SECONDS} s. Its logs: "
            f"{settings.state_folder / 'logs'}",
            pid=house.pid,
        ) from None
    if as_json:
        answer({"stopped": house.pid})
    else:
        console().print(f"[green]✓[/] Process {house.pid} has ended, and all that it had started.")
