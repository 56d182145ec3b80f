"""Health probes of what Asgard stands on: when each was made, and how it was answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Boolean, Column, DateTime, Float, Integer, String, Table, delete, insert, select

from asgard_pipelines.settings import Settings
from asgard_pipelines.state.database import database, metadata

_probes = Table(
    "connector_probes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", DateTime, nullable=False, index=True),
    Column("connector", String(128), nullable=False),
    Column("answered", Boolean, nullable=False),
    Column("milliseconds", Float, nullable=False),
    Column("pool_usage", Float),
)


class Probe(BaseModel):
    """`at` is UTC; `pool_usage` connections in use of the pool's size, null where there is no pool."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    at: datetime
    connector: str
    answered: bool
    milliseconds: float
    pool_usage: float | None = None


def record_probes(settings: Settings, probes: Sequence[Probe]) -> None:
    rows = [probe.model_dump() | {"at": probe.at.astimezone(UTC).replace(tzinfo=None)} for probe in probes]
    with database(settings).begin() as connection:
        connection.execute(insert(_probes), rows)


def probes(settings: Settings, since: datetime) -> list[Probe]:
    """Oldest first."""
    wanted = select(_probes).where(_probes.c.at >= since.astimezone(UTC).replace(tzinfo=None))
    with database(settings).connect() as connection:
        found = [Probe.model_validate(row) for row in connection.execute(wanted.order_by(_probes.c.id))]
    return [probe.model_copy(update={"at": probe.at.replace(tzinfo=UTC)}) for probe in found]


def forget_probes(settings: Settings, before: datetime) -> None:
    with database(settings).begin() as connection:
        connection.execute(delete(_probes).where(_probes.c.at < before.astimezone(UTC).replace(tzinfo=None)))
