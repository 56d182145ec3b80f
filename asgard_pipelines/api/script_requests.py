"""What is done for a request about uploaded scripts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from asgard_pipelines.api.house import House
from asgard_pipelines.errors import NotFound
from asgard_pipelines.scripts import check_requirements, read_source, require_isolation
from asgard_pipelines.state import ScriptJob, add_job, change_job, find_job

_LOST = "The process that ran it is gone: send it again."


def ask_script(house: House, sent: dict[str, Any], author: str, request_key: str | None) -> ScriptJob:
    """Keeps the script, and asks for its run; a request that is tried again has the same job.

    Raises:
        Invalid: what was sent is no script, or asks for what is not there.
        BackendUnavailable: Dagster does not run, or scripts cannot be isolated here; nothing was kept.
    """
    settings = house.settings
    source = read_source(sent.pop("script_content"), sent["script_name"])
    check_requirements(sent["requirements"], settings.script_packages)
    require_isolation(settings)
    house.runs.require_running()
    job = add_job(
        settings,
        ScriptJob(
            job_id=f"job_{request_key or uuid4().hex}",
            source=source,
            principal=author,
            created_at=datetime.now(UTC),
            **sent,
        ),
    )
    if job.dagster_run_id is None:
        change_job(settings, job.job_id, dagster_run_id=house.runs.run_script(job.job_id, author))
    return find_job(settings, job.job_id)


def job_now(house: House, job: ScriptJob | str) -> ScriptJob:
    """The job as it stands; one whose run has ended without telling ends here.

    Raises:
        DeclarationNotFound
    """
    found = find_job(house.settings, job) if isinstance(job, str) else job
    if found.ended or found.dagster_run_id is None:
        return found
    if found.status == "running":
        house.runs.bury_dead()
    status, error = _of_run(house, found.dagster_run_id)
    if status is None:
        return found
    change_job(house.settings, found.job_id, status=status, error=error, ended_at=datetime.now(UTC))
    return find_job(house.settings, found.job_id)


def cancel_script(house: House, job_id: str) -> ScriptJob:
    """
    Raises:
        DeclarationNotFound
        BackendUnavailable: Dagster does not run.
    """
    job = job_now(house, job_id)
    if job.ended or job.dagster_run_id is None:
        return job
    change_job(house.settings, job_id, cancel_requested=True)
    house.runs.cancel(job.dagster_run_id)
    return job_now(house, job_id)


def _of_run(house: House, run_id: str) -> tuple[str | None, str | None]:
    """How a run that has ended says a job went."""
    try:
        state = house.runs.state(run_id)
    except NotFound:
        return "failed", _LOST
    if not state.ended:
        return None, None
    return ("cancelled", None) if state.status == "cancelled" else ("failed", _LOST)
