"""Dagster's webserver, asked over GraphQL: whether all is well, and to load the definitions anew."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

LOCATION = "asgard"
"""The code location's name: Dagster keys the state of sensors and schedules by it."""


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
        data: dict[str, Any] | None = json.load(response)["data"]
    if data is None:  # it failed as a whole, mostly for want of time
        raise OSError("Dagster's webserver failed to answer")
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
