"""Jobs of uploaded scripts, whoever asks: what their runs say of them, and ending them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from asgard_pipelines.errors import Conflict, NotFound
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import ScriptJob, change_job, find_job, remove_job

if TYPE_CHECKING:
    from asgard_pipelines.graph.run_client import RunClient

_LOST = "The process that ran it is gone: send it again."
_NEVER_ASKED = "Nobody asked for its run: send it again."
_ASKING = timedelta(minutes=5)


def job_now(settings: Settings, runs: RunClient, job: ScriptJob | str) -> ScriptJob:
    """The job as it stands; one whose run has ended without telling ends here.

    Raises:
        DeclarationNotFound
    """
    found = find_job(settings, job) if isinstance(job, str) else job
    if found.ended:
        return found
    if found.status == "running":
        runs.bury_dead()
    ended = _ended(found, runs)
    if ended is None:
        return found
    status, error = ended
    change_job(settings, found.job_id, status=status, error=error, ended_at=datetime.now(UTC))
    return find_job(settings, found.job_id)


def cancel_job(settings: Settings, runs: RunClient, job_id: str) -> ScriptJob:
    """Ends a job that waits or runs; one that has ended stays as it is.

    Raises:
        DeclarationNotFound
        BackendUnavailable: Dagster does not run.
    """
    job = job_now(settings, runs, job_id)
    if job.ended:
        return job
    change_job(settings, job_id, cancel_requested=True)
    run_id = job.dagster_run_id or runs.script_run(job_id)
    if run_id is None:
        change_job(settings, job_id, status="cancelled", ended_at=datetime.now(UTC))
    else:
        runs.cancel(run_id)
    return job_now(settings, runs, job_id)


def delete_job(settings: Settings, runs: RunClient, job_id: str) -> None:
    """Forgets a job that has ended; what it logged to MLflow, and a model that it made, stay.

    Raises:
        DeclarationNotFound
        Conflict: it has not ended.
    """
    if not job_now(settings, runs, job_id).ended:
        raise Conflict(f"Job '{job_id}' has not ended: cancel it first.", job_id=job_id)
    remove_job(settings, job_id)


def _ended(job: ScriptJob, runs: RunClient) -> tuple[str, str | None] | None:
    """How the run of a job says that it went, and why; None while it may still tell itself."""
    run_id = job.dagster_run_id or runs.script_run(job.job_id)
    if run_id is None:
        waited = datetime.now(UTC) - job.created_at
        return ("failed", _NEVER_ASKED) if waited > _ASKING else None
    try:
        state = runs.state(run_id)
    except NotFound:
        return "failed", _LOST
    if not state.ended:
        return None
    return ("cancelled", None) if state.status == "cancelled" else ("failed", _LOST)
