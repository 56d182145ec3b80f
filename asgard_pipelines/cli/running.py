"""The running house: what `asgard up` wrote down about itself, and what its UI answers."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from asgard_pipelines.settings import Settings

LOCATION = "asgard"
"""The code location's name: Dagster keys the state of sensors and schedules by it."""


class Running(BaseModel):
    """`<home>/running.json`, there while a supervisor lives. Addresses are URLs."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: float
    dagster: str
    mlflow: str
    code_server_port: int

    @staticmethod
    def path(settings: Settings) -> Path:
        return settings.state_folder / "running.json"


def running(settings: Settings) -> Running | None:
    """The supervisor of this home, if it lives."""
    import psutil

    try:
        written = Running.model_validate_json(Running.path(settings).read_text())
        alive = abs(psutil.Process(written.pid).create_time() - written.started) < 1
    except (FileNotFoundError, NotADirectoryError, ValidationError, psutil.NoSuchProcess):
        return None
    return written if alive else None


def answers(url: str) -> bool:
    """True if a GET of `url` gives 200 within two seconds."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 (our own http address)
            return bool(response.status == 200)
    except OSError:
        return False


def graphql(dagster: str, query: str, **variables: Any) -> dict[str, Any]:
    """`data` of Dagster's answer.

    Raises:
        OSError: nothing answers there.
    """
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(  # noqa: S310 (our own http address)
        f"{dagster}/graphql", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        data: dict[str, Any] = json.load(response)["data"]
    return data


def location_error(dagster: str) -> str | None:
    """Why the code location did not load; None when it did.

    Raises:
        OSError: nothing answers there, or it is still loading.
    """
    query = """{ workspaceOrError { ... on Workspace { locationEntries {
        loadStatus locationOrLoadError { ... on PythonError { message } } } } } }"""
    for entry in graphql(dagster, query)["workspaceOrError"]["locationEntries"]:
        if entry["loadStatus"] != "LOADED":
            raise OSError("the code location is still loading")
        if message := entry["locationOrLoadError"].get("message"):
            return str(message).strip()
    return None


def sick_daemons(dagster: str) -> list[str]:
    """Names of the required daemons without a recent heartbeat.

    Raises:
        OSError: nothing answers there.
    """
    query = "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }"
    found = graphql(dagster, query)["instance"]["daemonHealth"]["allDaemonStatuses"]
    return [status["daemonType"] for status in found if status["required"] and not status["healthy"]]


def reload_location(dagster: str) -> str | None:
    """Loads the definitions anew; why that failed, or None.

    Raises:
        OSError: nothing answers there.
    """
    query = """mutation($name: String!) { reloadRepositoryLocation(repositoryLocationName: $name) {
        ... on WorkspaceLocationEntry { locationOrLoadError { ... on PythonError { message } } }
        ... on ReloadNotSupported { message } ... on RepositoryLocationNotFound { message }
        ... on PythonError { message } } }"""
    result = graphql(dagster, query, name=LOCATION)["reloadRepositoryLocation"]
    message = result.get("message") or (result.get("locationOrLoadError") or {}).get("message")
    return str(message).strip() if message else None
