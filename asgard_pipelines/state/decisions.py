"""What was decided about keeping up with the data, and why: an append-only record."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Column, DateTime, Integer, String, Table, Text, insert, select

from asgard_pipelines.settings import Settings
from asgard_pipelines.state.database import database, metadata

_decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", DateTime, nullable=False),
    Column("subject", String(300), nullable=False, index=True),
    Column("verdict", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("run_id", String(64)),
)


class Decision(BaseModel):
    """`subject` is an asset key (`models/churn`); `verdict` one of `skip wait build train predict
    promote keep retry`; `reason` a sentence for a person; `at` is UTC."""

    model_config = ConfigDict(frozen=True)

    subject: str
    verdict: str
    reason: str
    run_id: str | None = None
    at: datetime | None = None


def record_decision(settings: Settings, decision: Decision) -> bool:
    """Appends `decision`, unless it repeats the last one about its subject. True if it was new."""
    with database(settings).begin() as connection:
        last = connection.execute(
            select(_decisions.c.verdict, _decisions.c.reason, _decisions.c.run_id)
            .where(_decisions.c.subject == decision.subject)
            .order_by(_decisions.c.id.desc())
            .limit(1)
        ).one_or_none()
        if last is not None and tuple(last) == (decision.verdict, decision.reason, decision.run_id):
            return False
        connection.execute(
            insert(_decisions).values(
                at=datetime.now(UTC).replace(tzinfo=None),
                subject=decision.subject,
                verdict=decision.verdict,
                reason=decision.reason,
                run_id=decision.run_id,
            )
        )
    return True


def last_decisions(settings: Settings, limit: int = 20) -> list[Decision]:
    """The newest decisions, newest first."""
    with database(settings).connect() as connection:
        rows = connection.execute(select(_decisions).order_by(_decisions.c.id.desc()).limit(limit))
        return [
            Decision(
                subject=row.subject,
                verdict=row.verdict,
                reason=row.reason,
                run_id=row.run_id,
                at=row.at.replace(tzinfo=UTC),
            )
            for row in rows
        ]
