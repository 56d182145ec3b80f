"""Remembered differences between two snapshots: both are immutable, so is the answer."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import BigInteger, Column, DateTime, String, Table, insert, select
from sqlalchemy.exc import IntegrityError

from asgard_pipelines.settings import Settings
from asgard_pipelines.state.database import database, metadata

_differences = Table(
    "snapshot_differences",
    metadata,
    Column("table_name", String(300), primary_key=True),
    Column("before_snapshot", BigInteger, primary_key=True, autoincrement=False),
    Column("after_snapshot", BigInteger, primary_key=True, autoincrement=False),
    Column("added", BigInteger, nullable=False),
    Column("removed", BigInteger, nullable=False),
    Column("first", DateTime),
    Column("last", DateTime),
)


class Difference(BaseModel):
    """Rows added and removed; `first` and `last` are the changed rows' times (UTC)."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    added: int
    removed: int
    first: datetime | None
    last: datetime | None


def recall_difference(settings: Settings, table: str, before: int, after: int) -> Difference | None:
    with database(settings).connect() as connection:
        row = connection.execute(
            select(_differences).where(
                _differences.c.table_name == table,
                _differences.c.before_snapshot == before,
                _differences.c.after_snapshot == after,
            )
        ).one_or_none()
    if row is None:
        return None
    return Difference(
        added=row.added,
        removed=row.removed,
        first=row.first.replace(tzinfo=UTC) if row.first else None,
        last=row.last.replace(tzinfo=UTC) if row.last else None,
    )


def remember_difference(settings: Settings, table: str, before: int, after: int, found: Difference) -> None:
    values = {
        "table_name": table,
        "before_snapshot": before,
        "after_snapshot": after,
        "added": found.added,
        "removed": found.removed,
        "first": found.first and found.first.astimezone(UTC).replace(tzinfo=None),
        "last": found.last and found.last.astimezone(UTC).replace(tzinfo=None),
    }
    try:
        with database(settings).begin() as connection:
            connection.execute(insert(_differences).values(**values))
    except IntegrityError:  # another process found the same
        return
