"""Who changed what over REST: an append-only record, with nothing secret in it."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Column, DateTime, Integer, String, Table, insert, select

from asgard_pipelines.settings import Settings
from asgard_pipelines.state.database import database, metadata

_acts = Table(
    "audit_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", DateTime, nullable=False, index=True),
    Column("principal", String(128), nullable=False, index=True),
    Column("method", String(10), nullable=False),
    Column("route", String(200), nullable=False),
    Column("subject", String(200)),
    Column("status", Integer, nullable=False),
    Column("request_id", String(64), nullable=False),
)


class Act(BaseModel):
    """One changing request: `route` is its template, `subject` the name of what it is about, `at` UTC."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    at: datetime
    principal: str
    method: str
    route: str
    subject: str | None
    status: int
    request_id: str


def record_act(
    settings: Settings,
    *,
    principal: str,
    method: str,
    route: str,
    subject: str | None,
    status: int,
    request_id: str,
) -> None:
    with database(settings).begin() as connection:
        connection.execute(
            insert(_acts).values(
                at=datetime.now(UTC).replace(tzinfo=None),
                principal=principal,
                method=method,
                route=route,
                subject=subject,
                status=status,
                request_id=request_id,
            )
        )


def acts(settings: Settings, since: datetime, principal: str | None = None) -> list[Act]:
    """What was done from `since` on, oldest first; by one principal, or by all."""
    wanted = (
        select(_acts).where(_acts.c.at >= since.astimezone(UTC).replace(tzinfo=None)).order_by(_acts.c.id)
    )
    if principal is not None:
        wanted = wanted.where(_acts.c.principal == principal)
    with database(settings).connect() as connection:
        found = [Act.model_validate(row) for row in connection.execute(wanted).all()]
    return [act.model_copy(update={"at": act.at.replace(tzinfo=UTC)}) for act in found]
