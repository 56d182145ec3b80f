"""Asking Dagster's webserver for a run: the daemon starts it, as it would from the UI."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from urllib.error import HTTPError

import dagster as dg

from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.graph.reloading import Reloading
from asgard_pipelines.graph.webserver import LOCATION, graphql, sick_daemons

_LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on Error { message }
    ... on RunConfigValidationInvalid { errors { message } } } }"""
_TERMINATE = """mutation($run: String!) { terminateRun(runId: $run, terminatePolicy: SAFE_TERMINATE) {
    __typename ... on Error { message } } }"""


def require_running(dagster: str) -> None:
    """
    Raises:
        BackendUnavailable: no webserver answers at that address, or a daemon gives no sign of life.
    """
    try:
        sick = sick_daemons(dagster)
    except (OSError, ValueError) as error:
        raise BackendUnavailable("Dagster's webserver does not answer: `asgard up` starts it.") from error
    if sick:
        raise BackendUnavailable(f"Dagster's daemon does not run ({', '.join(sick)}): `asgard up` starts it.")


def require_loaded(reloading: Reloading) -> None:
    """Loads the definitions anew.

    Raises:
        BackendUnavailable: that failed.
    """
    try:
        problem = reloading.reload()
    except (OSError, ValueError) as error:
        raise BackendUnavailable("Dagster's webserver does not answer: `asgard up` starts it.") from error
    if problem:
        raise BackendUnavailable("Dagster could not load what is declared now: its page says why.")


def launch(dagster: str, keys: Sequence[dg.AssetKey], tags: Mapping[str, str]) -> str:
    """Asks for one run that materializes `keys`; its id. It waits in the queue for its turn.

    Raises:
        BackendUnavailable: no webserver answers, or it refuses.
    """
    return _launched(
        dagster,
        {"jobName": "__ASSET_JOB", "assetSelection": [{"path": list(key.path)} for key in keys]},
        tags,
    )


def launch_job(dagster: str, job: str, tags: Mapping[str, str]) -> str:
    """Asks for one run of a job that materializes nothing; its id. It waits in the queue for its turn.

    Raises:
        BackendUnavailable: no webserver answers, or it refuses.
    """
    return _launched(dagster, {"jobName": job}, tags)


def terminate(dagster: str, run_id: str) -> None:
    """Asks for a run to be ended, whether it waits or runs; one that has ended is left as it is.

    Raises:
        BackendUnavailable: no webserver answers.
    """
    try:
        graphql(dagster, _TERMINATE, run=run_id)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BackendUnavailable("Dagster's webserver does not answer: `asgard up` starts it.") from error


def _launched(dagster: str, what: Mapping[str, object], tags: Mapping[str, str]) -> str:
    params = {
        "selector": {"repositoryLocationName": LOCATION, "repositoryName": "__repository__", **what},
        "mode": "default",
        "runConfigData": "{}",
        "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
    }
    try:
        answer = graphql(dagster, _LAUNCH, params=params)["launchRun"]
    except HTTPError as error:
        raise BackendUnavailable(f"Dagster refused to launch a run: HTTP {error.code}.") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BackendUnavailable("Dagster's webserver does not answer: `asgard up` starts it.") from error
    if answer["__typename"] != "LaunchRunSuccess":
        told = answer.get("message") or json.dumps(answer.get("errors", ""))
        raise BackendUnavailable(f"Dagster refused to launch a run: {answer['__typename']}.", told=told[:500])
    return str(answer["run"]["runId"])
