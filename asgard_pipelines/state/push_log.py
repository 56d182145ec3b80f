"""Pushed rows between their acknowledgement and the lakehouse, written ahead; and each push's answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    true,
    update,
)

from asgard_pipelines.settings import Settings
from asgard_pipelines.state.database import database, metadata

_pushes = Table(
    "pushes",
    metadata,
    Column("push_id", String(128), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("answer", JSON, nullable=False),
    Column("at", DateTime, nullable=False, index=True),
)
_log = Table(
    "push_log",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("push_id", String(128), nullable=False, index=True),
    Column("feature_view", String(128), nullable=False, index=True),
    Column("rows", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("at", DateTime, nullable=False),
    Column("flush_id", String(64), index=True),
    sqlite_autoincrement=True,  # a number is never given twice: rows are told from one another by it
)


@dataclass(frozen=True)
class Push:
    """`rows` are, per view, how many there are and their bytes; `answer` is what the sender is told."""

    push_id: str
    digest: str
    """Of what was sent: the same id with other contents is another push."""
    answer: Mapping[str, Any]
    rows: Mapping[str, tuple[int, bytes]]


@dataclass(frozen=True)
class LoggedRows:
    """Rows of one push that one view gets. Ascending ids are the order in which they were acknowledged."""

    id: int
    feature_view: str
    rows: int
    payload: bytes


@dataclass(frozen=True)
class Waiting:
    """What of a view has not reached the lakehouse; `since` (UTC): when the oldest of it was acknowledged."""

    feature_view: str
    rows: int
    since: datetime


def known_pushes(settings: Settings, push_ids: Sequence[str]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Digest and answer of those that were acknowledged before."""
    wanted = select(_pushes.c.push_id, _pushes.c.digest, _pushes.c.answer).where(
        _pushes.c.push_id.in_(push_ids)
    )
    with database(settings).connect() as connection:
        return {push_id: (digest, answer) for push_id, digest, answer in connection.execute(wanted)}


def log_pushes(settings: Settings, pushes: Sequence[Push]) -> None:
    """All of them or none, on disk when it returns.

    Raises:
        IntegrityError (SQLAlchemy's): one of the ids was acknowledged meanwhile, by another process.
    """
    at = datetime.now(UTC).replace(tzinfo=None)
    answers = [{"push_id": p.push_id, "digest": p.digest, "answer": dict(p.answer), "at": at} for p in pushes]
    logged = [
        {
            "push_id": push.push_id,
            "feature_view": view,
            "rows": rows,
            "payload": payload,
            "at": at,
        }
        for push in pushes
        for view, (rows, payload) in push.rows.items()
    ]
    with database(settings).begin() as connection:
        connection.execute(insert(_pushes), answers)
        if logged:
            connection.execute(insert(_log), logged)


def unflushed_rows(settings: Settings) -> list[LoggedRows]:
    """All that is not in the lakehouse yet, in the order of acknowledgement."""
    return _logged(settings, true())


def waiting_rows(settings: Settings) -> list[Waiting]:
    """By view, sorted."""
    totals = (
        select(_log.c.feature_view, func.sum(_log.c.rows), func.min(_log.c.at))
        .group_by(_log.c.feature_view)
        .order_by(_log.c.feature_view)
    )
    with database(settings).connect() as connection:
        return [
            Waiting(view, int(rows), since.replace(tzinfo=UTC))
            for view, rows, since in connection.execute(totals)
        ]


def claim_rows(settings: Settings, view: str, flush_id: str, limit: int = 100_000) -> str | None:
    """Gives rows of the view to one flush; None when none wait.

    A flush that was begun and not ended comes first, with its own id: whoever lands it again under that id
    lands nothing twice.

    Args:
        limit: about so many rows, and at least those of one push.
    """
    of_view = _log.c.feature_view == view
    with database(settings).begin() as connection:
        begun = connection.execute(
            select(_log.c.flush_id).where(of_view & _log.c.flush_id.is_not(None)).limit(1)
        )
        if (standing := begun.scalar_one_or_none()) is not None:
            return str(standing)
        sizes = connection.execute(select(_log.c.id, _log.c.rows).where(of_view).order_by(_log.c.id)).all()
        if not sizes:
            return None
        before = accumulate((rows for _, rows in sizes), initial=0)
        last = max(number for (number, _), counted in zip(sizes, before, strict=False) if counted < limit)
        connection.execute(
            update(_log)
            .where(of_view & _log.c.flush_id.is_(None) & (_log.c.id <= last))
            .values(flush_id=flush_id)
        )
    return flush_id


def claimed_rows(settings: Settings, flush_id: str) -> list[LoggedRows]:
    return _logged(settings, _log.c.flush_id == flush_id)


def forget_rows(settings: Settings, flush_id: str) -> None:
    """They are in the lakehouse."""
    with database(settings).begin() as connection:
        connection.execute(delete(_log).where(_log.c.flush_id == flush_id))


def forget_answers(settings: Settings, older_than: timedelta) -> None:
    """After so long a push id counts as new."""
    before = datetime.now(UTC).replace(tzinfo=None) - older_than
    with database(settings).begin() as connection:
        connection.execute(delete(_pushes).where(_pushes.c.at < before))


def _logged(settings: Settings, where: Any) -> list[LoggedRows]:
    wanted = select(_log.c.id, _log.c.feature_view, _log.c.rows, _log.c.payload)
    with database(settings).connect() as connection:
        return [LoggedRows(*row) for row in connection.execute(wanted.where(where).order_by(_log.c.id))]
