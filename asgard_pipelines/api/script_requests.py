"""What is done for a request to run a script."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from asgard_pipelines.api.house import House
from asgard_pipelines.errors import Conflict
from asgard_pipelines.scripts import check_requirements, read_source, require_isolation
from asgard_pipelines.state import ScriptJob, add_job, change_job, find_job


def ask_script(house: House, sent: dict[str, Any], author: str, request_key: str | None) -> ScriptJob:
    """Keeps the script, and asks for its run; a request that is tried again has the same job.

    Raises:
        Invalid: what was sent is no script, or asks for what is not there.
        Conflict: the model's name is that of a declared one.
        BackendUnavailable: Dagster does not run, or scripts cannot be isolated here; nothing was kept.
    """
    settings = house.settings
    source = read_source(sent.pop("script_content"), sent["script_name"])
    check_requirements(sent["requirements"], settings.script_packages)
    _free(house, sent["model_name"])
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


def _free(house: House, model: str | None) -> None:
    if model in {one.model.name for one in house.declarations.models}:
        raise Conflict(
            f"Model '{model}' is declared, and trained by its declaration: give the script's another name.",
            model_name=model,
        )
