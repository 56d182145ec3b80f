"""Declarations made over REST: each with its author, and nothing that ever stood is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    Index,
    Integer,
    Row,
    String,
    Table,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from asgard_pipelines.errors import Conflict
from asgard_pipelines.settings import Settings
from asgard_pipelines.state.database import database, metadata

MadeKind = Literal[
    "entity",
    "feature_view",
    "feature_service",
    "model",
    "prediction",
    "deprecated_view",
    "deprecated_service",
    "deprecated_model",
]
"""The last ones mark what is declared, over REST or not, under that name."""

_made = Table(
    "made_declarations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("name", String(128), nullable=False),
    Column("sent", JSON, nullable=False),
    Column("body", JSON, nullable=False),
    Column("author", String(128), nullable=False),
    Column("made_at", DateTime, nullable=False),
    Column("ended_at", DateTime),
    Column("ended_by", String(128)),
)
_standing = _made.c.ended_at.is_(None)
Index(
    "made_standing",
    _made.c.kind,
    _made.c.name,
    unique=True,
    sqlite_where=_standing,
    postgresql_where=_standing,
)


class Made(BaseModel):
    """One declaration: `sent` as it came, `body` with all that it left open settled.

    `made_at` is UTC; `ended_at` is null while it stands.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: int
    kind: MadeKind
    name: str
    sent: dict[str, Any]
    body: dict[str, Any]
    author: str
    made_at: datetime
    ended_at: datetime | None
    ended_by: str | None


def made(settings: Settings) -> list[Made]:
    """All that stands, by kind and name."""
    with database(settings).connect() as connection:
        rows = connection.execute(select(_made).where(_standing).order_by(_made.c.kind, _made.c.name)).all()
    return [_read(row) for row in rows]


def made_history(settings: Settings, kind: MadeKind, name: str) -> list[Made]:
    """All that ever stood under a name, oldest first."""
    with database(settings).connect() as connection:
        named = select(_made).where(_made.c.kind == kind, _made.c.name == name).order_by(_made.c.id)
        return [_read(row) for row in connection.execute(named).all()]


def made_by_author(settings: Settings, since: datetime) -> dict[str, int]:
    """Author -> how many declarations they made from `since` on."""
    made_since = _made.c.made_at >= since.astimezone(UTC).replace(tzinfo=None)
    counted = select(_made.c.author, func.count()).where(made_since).group_by(_made.c.author)
    with database(settings).connect() as connection:
        return {author: int(count) for author, count in connection.execute(counted)}


def made_revision(settings: Settings) -> str:
    """Another one after each change, so that what was compiled before is known to be old."""
    with database(settings).connect() as connection:
        last, ended = connection.execute(select(func.max(_made.c.id), func.count(_made.c.ended_at))).one()
    return f"{last or 0}.{ended}"


def make(
    settings: Settings,
    kind: MadeKind,
    name: str,
    body: Mapping[str, Any],
    sent: Mapping[str, Any],
    author: str,
    *,
    replacing: int | None = None,
) -> Made:
    """Puts a declaration in force; `replacing` is the id of the one whose place it takes.

    Raises:
        Conflict: one of that name stands, or the one to replace does not any more.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    values = {
        "kind": kind,
        "name": name,
        "body": dict(body),
        "sent": dict(sent),
        "author": author,
        "made_at": now,
    }
    try:
        with database(settings).begin() as connection:
            if replacing is not None and not _end(connection, replacing, author, now):
                raise Conflict(f"'{name}' was changed by somebody else in the meantime.", name=name)
            connection.execute(insert(_made).values(**values))
    except IntegrityError:
        raise Conflict(f"'{name}' is declared already.", name=name) from None
    return next(one for one in made(settings) if (one.kind, one.name) == (kind, name))


def unmake(settings: Settings, standing: Made, author: str) -> None:
    """Ends a declaration; its history stays.

    Raises:
        Conflict: it does not stand any more.
    """
    with database(settings).begin() as connection:
        if not _end(connection, standing.id, author, datetime.now(UTC).replace(tzinfo=None)):
            raise Conflict(
                f"'{standing.name}' was changed by somebody else in the meantime.", name=standing.name
            )


def _end(connection: Connection, made_id: int, author: str, now: datetime) -> bool:
    ended = connection.execute(
        update(_made).where(_made.c.id == made_id, _standing).values(ended_at=now, ended_by=author)
    )
    return bool(ended.rowcount)


def _read(row: Row[Any]) -> Made:
    one = Made.model_validate(row)
    times = {"made_at": one.made_at.replace(tzinfo=UTC), "ended_at": one.ended_at}
    if one.ended_at is not None:
        times["ended_at"] = one.ended_at.replace(tzinfo=UTC)
    return one.model_copy(update=times)
