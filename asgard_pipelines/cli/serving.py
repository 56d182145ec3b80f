"""The whole house, served: all its processes under one supervisor, and where each can be opened."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import psutil

from asgard_pipelines.cli.console import answer, diagnostics
from asgard_pipelines.cli.ports import free_port
from asgard_pipelines.cli.running import Running, running
from asgard_pipelines.cli.services import services, write_workspace
from asgard_pipelines.cli.supervisor import Supervisor, warn
from asgard_pipelines.errors import Conflict
from asgard_pipelines.settings import Settings


def serve(settings: Settings, *, as_json: bool = False) -> None:
    """Runs the house of `settings` until it is told to stop; prints the addresses once all is healthy."""
    port = free_port()
    write_workspace(settings, port)
    plan = services(settings, port)
    addresses = {service.title: service.address for service in plan if service.address}
    me = Running(
        pid=os.getpid(),
        started=psutil.Process().create_time(),
        api=addresses["API"],
        dagster=addresses["Dagster"],
        mlflow=addresses.get("MLflow", settings.tracking_uri),
        code_server_port=port,
    )
    path = Running.path(settings)
    path.write_text(me.model_dump_json())
    diagnostics().print("Starting the API, Dagster and MLflow …", style="dim")

    def healthy() -> None:
        path.write_text(me.model_copy(update={"healthy": True}).model_dump_json())
        tell(me, settings, as_json=as_json)
        diagnostics().print("Running until Ctrl-C.", style="dim")

    try:
        Supervisor(plan, settings.state_folder / "logs", warn).run(healthy)
    finally:
        path.unlink(missing_ok=True)


def become_up(*, as_json: bool) -> NoReturn:
    """Turns this process, which has compiled and applied, into `asgard up`, which may run for weeks: what was
    loaded to compile or to train is given back."""
    sys.stdout.flush()
    sys.stderr.flush()
    options = ["--prepared", *(["--json"] if as_json else [])]
    command = [sys.executable, "-m", "asgard_pipelines.cli", "up", *options]
    os.execv(sys.executable, command)  # noqa: S606 (a shell has no part in it)


def tell(house: Running, settings: Settings, *, as_json: bool) -> None:
    """Where each can be opened."""
    if as_json:
        answer({"api": house.api, "dagster": house.dagster, "mlflow": house.mlflow, "pid": house.pid})
    say = diagnostics()
    say.print(
        f"\n  API       [bold cyan]{house.api}[/]"
        f"\n  Dagster   [bold cyan]{house.dagster}[/]"
        f"\n  MLflow    [bold cyan]{house.mlflow}[/]\n"
    )
    say.print(f"Logs: {settings.state_folder / 'logs'}", style="dim")


def require_not_running(settings: Settings) -> None:
    """
    Raises:
        Conflict: a supervisor already runs on this home.
    """
    if found := running(settings):
        raise Conflict(
            f"This house is running already (process {found.pid}): the API at {found.api}, Dagster at "
            f"{found.dagster}, MLflow at {found.mlflow}. Stop it with: asgard down",
            **found.model_dump(),
        )
