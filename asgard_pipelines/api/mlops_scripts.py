"""`/mlops/training`: scripts uploaded, run in isolation, and how they went."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from asgard_pipelines.api.access import bearer, needs
from asgard_pipelines.api.house import House
from asgard_pipelines.api.script_requests import ask_script
from asgard_pipelines.declarations import Name, Record
from asgard_pipelines.graph import cancel_job, delete_job, job_now
from asgard_pipelines.state import JobStatus, ScriptJob, script_jobs

router = APIRouter(prefix="/mlops/training", tags=["scripts"], dependencies=[Depends(bearer)])
Uploader = Annotated[str, Depends(needs("scripts:run"))]
Watcher = Annotated[str, Depends(needs("scripts:run", changes=False))]
_SCRIPT = "aW1wb3J0IG1sZmxvdwoKbWxmbG93LmxvZ19tZXRyaWMoImFjY3VyYWN5IiwgMC45MikK"
"""import mlflow; mlflow.log_metric("accuracy", 0.92)"""


class ScriptBody(Record):
    """`script_content` is the script in base64; `experiment_name` the MLflow experiment in which it logs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "script_name": "train.py",
                    "script_content": _SCRIPT,
                    "experiment_name": "churn_model",
                    "model_name": "churn_classifier",
                    "requirements": ["feast", "scikit-learn"],
                }
            ]
        }
    )

    script_name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*\.py$", max_length=128)]
    script_content: Annotated[str, Field(min_length=1)]
    experiment_name: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_. -]*$", max_length=128)
    ]
    model_name: Name | None = None
    """What a model that the script logs is registered as."""
    requirements: Annotated[
        list[Annotated[str, StringConstraints(max_length=300)]], Field(max_length=100)
    ] = []
    """Names that have to be installed, with versions if you like: nothing is installed for a script."""


class ShownJob(BaseModel):
    """Times are UTC. `run_id` is the script's run in MLflow; `dagster_run_id` the one that runs the script.
    `log_tail` is the end of what it wrote; all of it is `log.txt` of its run. Where the script registered no
    `model_version`, `model_reason` says why."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    job_id: str
    status: JobStatus
    script_name: str
    experiment_name: str
    model_name: str | None
    model_version: str | None
    model_reason: str | None
    run_id: str | None
    dagster_run_id: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    duration_seconds: float | None
    requirements: list[str]
    error: str | None
    log_tail: str


class DeletedJob(BaseModel):
    job_id: str
    status: Literal["deleted"] = "deleted"


@router.post("/upload", status_code=202)
def upload_script(body: ScriptBody, request: Request, response: Response, author: Uploader) -> ShownJob:
    """Run a training script in isolation, in an ordinary run of the graph: no network but MLflow's own
    experiment, no files but its own and the tables behind the feature views. Ask the job how it goes."""
    house: House = request.app.state.house
    job = ask_script(house, body.model_dump(), author, request.scope.get("request_key"))
    response.headers["Location"] = f"/mlops/training/jobs/{job.job_id}"
    return _shown(job)


@router.get("/jobs")
def list_jobs(
    request: Request, _: Watcher, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[ShownJob]:
    """The jobs of uploaded scripts, newest first."""
    house: House = request.app.state.house
    return [_shown(job_now(house.settings, house.runs, job)) for job in script_jobs(house.settings, limit)]


@router.get("/jobs/{job_id}")
def get_job(job_id: str, request: Request, _: Watcher) -> ShownJob:
    """One job, as it stands now."""
    house: House = request.app.state.house
    return _shown(job_now(house.settings, house.runs, job_id))


@router.post("/jobs/{job_id}/cancel")
def cancel_script(job_id: str, request: Request, _: Uploader) -> ShownJob:
    """End a job that waits or runs; one that has ended stays as it is."""
    house: House = request.app.state.house
    return _shown(cancel_job(house.settings, house.runs, job_id))


@router.delete("/jobs/{job_id}")
def delete_script(job_id: str, request: Request, _: Uploader) -> DeletedJob:
    """Forget a job that has ended. What it logged to MLflow, and a model that it made, stay."""
    house: House = request.app.state.house
    delete_job(house.settings, house.runs, job_id)
    return DeletedJob(job_id=job_id)


def _shown(job: ScriptJob) -> ShownJob:
    ran = job.ended_at - job.started_at if job.started_at and job.ended_at else None
    return ShownJob(
        **job.model_dump(include=set(ShownJob.model_fields) - {"duration_seconds"}),
        duration_seconds=ran and ran.total_seconds(),
    )
