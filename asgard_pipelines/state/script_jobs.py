"""Uploaded scripts and how each went: one row a job, which outlives whoever started it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Integer,
    Row,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from asgard_pipelines.errors import DeclarationNotFound
from asgard_pipelines.settings import Settings
from asgard_pipelines.state.database import database, metadata

JobStatus = Literal["queued", "running", "completed", "failed", "cancelled"]

_jobs = Table(
    "script_jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", String(64), nullable=False, unique=True),
    Column("script_name", String(128), nullable=False),
    Column("source", Text, nullable=False),
    Column("experiment_name", String(128), nullable=False),
    Column("model_name", String(128)),
    Column("requirements", JSON, nullable=False),
    Column("principal", String(128), nullable=False),
    Column("created_at", DateTime, nullable=False),
    Column("dagster_run_id", String(64)),
    Column("status", String(16), nullable=False),
    Column("started_at", DateTime),
    Column("ended_at", DateTime),
    Column("run_id", String(64)),
    Column("log_tail", Text, nullable=False, default=""),
    Column("error", Text),
    Column("model_version", String(64)),
    Column("model_reason", Text),
    Column("cancel_requested", Boolean, nullable=False, default=False),
)


class ScriptJob(BaseModel):
    """Times are UTC. `run_id` is the script's run in MLflow, `dagster_run_id` the one that ran it.

    `error` says why it failed; `model_reason` why it registered no model, when it did not.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True)

    job_id: str
    script_name: str
    source: str = ""
    experiment_name: str
    model_name: str | None = None
    requirements: list[str] = []
    principal: str
    created_at: datetime
    dagster_run_id: str | None = None
    status: JobStatus = "queued"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    run_id: str | None = None
    log_tail: str = ""
    error: str | None = None
    model_version: str | None = None
    model_reason: str | None = None
    cancel_requested: bool = False

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")


def add_job(settings: Settings, job: ScriptJob) -> ScriptJob:
    """A job of that id that stands already is left as it is, and given back."""
    with database(settings).begin() as connection:
        row = connection.execute(select(_jobs).where(_jobs.c.job_id == job.job_id)).one_or_none()
        if row is not None:
            return _read(row)
        connection.execute(insert(_jobs).values(**_plain(job.model_dump())))
    return job


def change_job(settings: Settings, job_id: str, **values: Any) -> bool:
    """Sets fields of a job that has not ended; whether there was one."""
    open_job = (_jobs.c.job_id == job_id) & _jobs.c.ended_at.is_(None)
    with database(settings).begin() as connection:
        return bool(connection.execute(update(_jobs).where(open_job).values(**_plain(values))).rowcount)


def find_job(settings: Settings, job_id: str) -> ScriptJob:
    """Raises DeclarationNotFound."""
    with database(settings).connect() as connection:
        row = connection.execute(select(_jobs).where(_jobs.c.job_id == job_id)).one_or_none()
    if row is None:
        raise DeclarationNotFound(f"There is no job '{job_id}'.", job_id=job_id)
    return _read(row)


def remove_job(settings: Settings, job_id: str) -> None:
    """It is there no more."""
    with database(settings).begin() as connection:
        connection.execute(delete(_jobs).where(_jobs.c.job_id == job_id))


def script_jobs(settings: Settings, limit: int = 100) -> list[ScriptJob]:
    """Newest first; without their sources."""
    told = [column for column in _jobs.c if column.name != "source"]
    with database(settings).connect() as connection:
        rows = connection.execute(select(*told).order_by(_jobs.c.id.desc()).limit(limit)).all()
    return [_read(row) for row in rows]


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Times as the database keeps them."""
    return {
        name: value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _read(row: Row[tuple[object, ...]]) -> ScriptJob:
    job = ScriptJob.model_validate(row)
    times = {name: getattr(job, name) for name in ("created_at", "started_at", "ended_at")}
    return job.model_copy(
        update={name: at.replace(tzinfo=UTC) for name, at in times.items() if at is not None}
    )
