"""The graph: what is declared, as Dagster assets, checks, a sensor and schedules; and its runs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgard_pipelines.graph.assembly import definitions
    from asgard_pipelines.graph.backfills import BackfillOutcome, daemon_heartbeat, launch_backfill
    from asgard_pipelines.graph.check_history import CheckResult, check_results
    from asgard_pipelines.graph.failures import RunFailure
    from asgard_pipelines.graph.instance import open_instance, prepare_instance
    from asgard_pipelines.graph.keeping_up import due
    from asgard_pipelines.graph.materialization_runs import (
        MaterializationState,
        asked_assets,
        asked_tags,
        new_materialization_id,
    )
    from asgard_pipelines.graph.promotion import promote_named, promote_version, roll_back
    from asgard_pipelines.graph.run_client import RunClient
    from asgard_pipelines.graph.run_states import RunState
    from asgard_pipelines.graph.runs import RunEvent, RunOutcome, reconcile, run_assets
    from asgard_pipelines.graph.script_jobs import cancel_job, delete_job, job_now
    from asgard_pipelines.graph.webserver import (
        LOCATION,
        graphql,
        location_error,
        reload_location,
        sick_daemons,
    )

_HOMES = {
    "definitions": "assembly",
    "BackfillOutcome": "backfills",
    "daemon_heartbeat": "backfills",
    "launch_backfill": "backfills",
    "CheckResult": "check_history",
    "check_results": "check_history",
    "open_instance": "instance",
    "prepare_instance": "instance",
    "RunFailure": "failures",
    "due": "keeping_up",
    "MaterializationState": "materialization_runs",
    "asked_assets": "materialization_runs",
    "asked_tags": "materialization_runs",
    "new_materialization_id": "materialization_runs",
    "promote_named": "promotion",
    "promote_version": "promotion",
    "roll_back": "promotion",
    "RunClient": "run_client",
    "RunState": "run_states",
    "RunEvent": "runs",
    "RunOutcome": "runs",
    "reconcile": "runs",
    "run_assets": "runs",
    "cancel_job": "script_jobs",
    "delete_job": "script_jobs",
    "job_now": "script_jobs",
    "LOCATION": "webserver",
    "graphql": "webserver",
    "location_error": "webserver",
    "reload_location": "webserver",
    "sick_daemons": "webserver",
}

__all__ = [
    "LOCATION",
    "BackfillOutcome",
    "CheckResult",
    "MaterializationState",
    "RunClient",
    "RunEvent",
    "RunFailure",
    "RunOutcome",
    "RunState",
    "asked_assets",
    "asked_tags",
    "cancel_job",
    "check_results",
    "daemon_heartbeat",
    "definitions",
    "delete_job",
    "due",
    "graphql",
    "job_now",
    "launch_backfill",
    "location_error",
    "new_materialization_id",
    "open_instance",
    "prepare_instance",
    "promote_named",
    "promote_version",
    "reconcile",
    "reload_location",
    "roll_back",
    "run_assets",
    "sick_daemons",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"asgard_pipelines.graph.{_HOMES[name]}"), name)
    raise AttributeError(name)
