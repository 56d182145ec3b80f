"""Which version a model elected, from which snapshots: what retraining is decided from.

The registry knows the same, but asking it costs seconds of imports; a sensor asks this record.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Integer,
    String,
    Table,
    Text,
    insert,
    select,
)

from asgard_pipelines.settings import Settings
from asgard_pipelines.state.database import database, metadata

_elections = Table(
    "elections",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", DateTime, nullable=False),
    Column("model", String(128), nullable=False, index=True),
    Column("version", String(40), nullable=False),
    Column("promoted", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("declaration", String(64), nullable=False),
    Column("training_table", String(300), nullable=False),
    Column("training_snapshot", BigInteger, nullable=False),
    Column("sources", JSON, nullable=False),
    Column("roots", JSON, nullable=False),
    Column("run_id", String(64), nullable=False),
)


class ElectionRecord(BaseModel):
    """`sources` and `roots` are `{table: snapshot id}`: what the training set read directly, and
    the external tables all of it was made from. `declaration` is the model's fingerprint."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    at: datetime
    model: str
    version: str
    promoted: bool
    reason: str
    declaration: str
    training_table: str
    training_snapshot: int
    sources: dict[str, int]
    roots: dict[str, int]
    run_id: str


def record_election(settings: Settings, election: ElectionRecord) -> None:
    values = election.model_dump()
    values["at"] = election.at.astimezone(UTC).replace(tzinfo=None)
    with database(settings).begin() as connection:
        connection.execute(insert(_elections).values(**values))


def last_election(settings: Settings, model: str) -> ElectionRecord | None:
    """The newest election of `model`, `at` in UTC."""
    with database(settings).connect() as connection:
        row = connection.execute(
            select(_elections).where(_elections.c.model == model).order_by(_elections.c.id.desc()).limit(1)
        ).one_or_none()
    if row is None:
        return None
    election = ElectionRecord.model_validate(row)
    return election.model_copy(update={"at": election.at.replace(tzinfo=UTC)})
