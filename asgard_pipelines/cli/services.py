"""The processes of the house: what each is called, how it is started, and when it is healthy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from asgard_pipelines.cli.ports import HOST, is_free, serves_mlflow
from asgard_pipelines.cli.running import answers
from asgard_pipelines.graph import LOCATION, location_error, sick_daemons
from asgard_pipelines.settings import Settings

_STAND_BACK = 10
"""Runs are started by the code server: a training takes all cores, and requests are not to wait for it."""


@dataclass(frozen=True)
class Service:
    """`address` is what a person opens; `is_healthy` is cheap and never raises. A service that
    `needs` another is first started when that one is healthy."""

    name: str
    command: list[str]
    is_healthy: Callable[[], bool]
    needs: str | None = None
    title: str = ""
    address: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    nice: int = 0
    """How far its processes stand back for others where the processor is short."""


def services(settings: Settings, code_server_port: int) -> list[Service]:
    """The API, one code server that both of Dagster's share, and MLflow where its store is no server."""
    dagster = f"http://{HOST}:{settings.dagster_port}"
    webserver = Service(
        "dagster-webserver",
        [
            _script("dagster-webserver"),
            *("--host", HOST, "--port", str(settings.dagster_port)),
            *("--workspace", str(workspace_file(settings))),
        ],
        lambda: _loaded(dagster),
        needs="code-server",
        title="Dagster",
        address=dagster,
        environment=_dagster_environment(settings),
    )
    found = [
        _api(settings),
        webserver,
        *daemon_services(settings, code_server_port, lambda: _beating(dagster)),
    ]
    if serves_mlflow(settings):
        found.append(_mlflow(settings))
    return found


def _api(settings: Settings) -> Service:
    address = settings.api_address
    return Service(
        "api",
        [
            *(sys.executable, "-m", "uvicorn", "--factory", "asgard_pipelines.api.server:application"),
            *("--host", settings.api_host, "--port", str(settings.api_port)),
            *("--no-access-log", "--no-server-header", "--no-proxy-headers"),
            *("--timeout-graceful-shutdown", "4"),
            # A client that keeps a connection and pauses finds it open still: uvicorn's own 5 s are short.
            *("--timeout-keep-alive", "75"),
        ],
        lambda: answers(f"{address}/health/live"),
        title="API",
        address=address,
        environment={
            "ASGARD_HOME": str(settings.state_folder),
            "ASGARD_REPO": str(settings.repo),
            # Each of dozens of threads would keep memory of its own that others cannot have.
            "MALLOC_ARENA_MAX": "2",
        },
    )


def daemon_services(settings: Settings, code_server_port: int, beating: Callable[[], bool]) -> list[Service]:
    """What runs need: the code server, and the daemon that starts them."""
    return [
        Service(
            "code-server",
            [
                *(_script("dagster"), "code-server", "start", "--use-python-environment-entry-point"),
                *("--module-name", "asgard_pipelines.definitions", "--location-name", LOCATION),
                *("--host", HOST, "--port", str(code_server_port)),
            ],
            lambda: not is_free(code_server_port),
            environment=_dagster_environment(settings),
            nice=_STAND_BACK,
        ),
        Service(
            "dagster-daemon",
            [_script("dagster-daemon"), "run", "--workspace", str(workspace_file(settings))],
            beating,
            needs="code-server",
            environment=_dagster_environment(settings),
            nice=_STAND_BACK,
        ),
    ]


def _dagster_environment(settings: Settings) -> dict[str, str]:
    return {
        "ASGARD_HOME": str(settings.state_folder),
        "ASGARD_REPO": str(settings.repo),
        "DAGSTER_HOME": str(settings.dagster_home),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }


def workspace_file(settings: Settings) -> Path:
    return settings.dagster_home / "workspace.yaml"


def write_workspace(settings: Settings, code_server_port: int) -> None:
    """Tells Dagster's processes where the shared code server listens."""
    server = {"host": HOST, "port": code_server_port, "location_name": LOCATION}
    workspace_file(settings).write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))


def _mlflow(settings: Settings) -> Service:
    address = f"http://{HOST}:{settings.mlflow_port}"
    return Service(
        "mlflow",
        [
            *(_script("mlflow"), "server", "--workers", "1"),
            *("--host", HOST, "--port", str(settings.mlflow_port)),
            *("--backend-store-uri", settings.tracking_uri),
            *("--default-artifact-root", settings.artefact_root, "--no-serve-artifacts"),
        ],
        lambda: answers(f"{address}/health"),
        title="MLflow",
        address=address,
        environment={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
    )


def _loaded(dagster: str) -> bool:
    """The code location has loaded, well or badly: its error is shown in the UI."""
    try:
        location_error(dagster)
    except OSError:
        return False
    return True


def _beating(dagster: str) -> bool:
    try:
        return not sick_daemons(dagster)
    except OSError:
        return False


def _script(name: str) -> str:
    """The command beside this Python: its environment need not be active."""
    return str(Path(sys.executable).parent / name)
