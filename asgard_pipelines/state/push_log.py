"""Pushed rows between their acknowledgement and the lakehouse, written ahead; and each push's answer."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    PoolProxiedConnection,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.settings import Settings
from asgard_pipelines.state.database import SILENT, database, metadata

_log = Table(
    "push_log",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("push_id", String(128), nullable=False),
    Column("feature_view", String(128), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("answer", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("payload", LargeBinary),
    Column("at", BigInteger, nullable=False),
    Column("flush_id", String(64)),
    UniqueConstraint("push_id", "feature_view"),
    sqlite_autoincrement=True,  # a number is never given twice: rows are told from one another by it
)
"""A row for each push and view; one of a view called "" for a push without rows. `payload` is null once it is
in the lakehouse; `at` is in microseconds since 1970."""
_claimed = _log.c.flush_id.is_not(None)
# Of those that are being flushed only: a push writes no page of it.
Index("push_log_claimed", _log.c.flush_id, sqlite_where=_claimed, postgresql_where=_claimed)
_waiting = _log.c.payload.is_not(None)
_HELD = "held"
"""In the place of a flush's id: the view's table cannot take these rows as things stand."""
_ADDED = ("push_id", "feature_view", "digest", "answer", "rows", "payload", "at")


@dataclass(frozen=True)
class Push:
    """`rows` are, per view, how many there are and their bytes; `answer` is what the sender is told."""

    push_id: str
    digest: str
    """Of what was sent: the same id with other contents is another push."""
    answer: str
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
    """What of a view has not reached the lakehouse. `held` of those rows were looked at by a flush, and the
    view's table could not take them; `since` (UTC): when the oldest of the others was acknowledged."""

    feature_view: str
    rows: int
    since: datetime | None
    held: int = 0


class PushLog:
    """Writes pushes ahead. For one thread at a time; it keeps its connection. `close` it."""

    def __init__(self, settings: Settings) -> None:
        self._engine = database(settings)
        # SQLAlchemy's own way to the driver and back costs as much as the fsync: the driver is called itself.
        compiled = insert(_log).compile(dialect=self._engine.dialect, column_keys=_ADDED)
        self._insert, self._named = str(compiled), not compiled.positiontup
        self._connection: PoolProxiedConnection | None = None

    def write(self, pushes: Sequence[Push]) -> None:
        """All of them or none, on disk when it returns.

        Raises:
            BackendUnavailable: one of the ids was acknowledged meanwhile, by another process; or the database
                does not answer.
        """
        at = time.time_ns() // 1_000
        nothing: dict[str, tuple[int, bytes | None]] = {"": (0, None)}
        rows: list[Any] = [
            (push.push_id, view, push.digest, push.answer, count, payload, at)
            for push in pushes
            for view, (count, payload) in (push.rows or nothing).items()
        ]
        if self._named:  # else they are told apart by their order, which is that of the table's columns
            rows = [dict(zip(_ADDED, row, strict=True)) for row in rows]
        driver = self._engine.dialect.loaded_dbapi
        try:
            if self._connection is None:
                self._connection = self._engine.raw_connection()
            connection: Any = self._connection.driver_connection
            connection.cursor().executemany(self._insert, rows)
            connection.commit()
        except driver.IntegrityError as error:
            self.close()  # which rolls back
            ids = [push.push_id for push in pushes]
            raise BackendUnavailable(
                "A push of one of these ids was just taken by another server: send it again.", push_ids=ids
            ) from error
        except (SQLAlchemyError, driver.Error) as error:
            if self._connection is not None:
                self._connection.invalidate()  # whatever is wrong with it, the next write has another
            self.close()
            raise BackendUnavailable(SILENT) from error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def known_pushes(settings: Settings, push_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Digest and answer of those that were acknowledged before."""
    wanted = select(_log.c.push_id, _log.c.digest, _log.c.answer).where(_log.c.push_id.in_(push_ids))
    with database(settings).connect() as connection:
        return {push_id: (digest, answer) for push_id, digest, answer in connection.execute(wanted)}


def unflushed_rows(settings: Settings) -> list[LoggedRows]:
    """All that is not in the lakehouse yet, in the order of acknowledgement."""
    return _logged(settings, _waiting)


def waiting_rows(settings: Settings) -> list[Waiting]:
    """By view, sorted."""
    held = _log.c.flush_id.is_not_distinct_from(_HELD)
    totals = (
        select(
            _log.c.feature_view,
            func.sum(_log.c.rows),
            func.min(case((~held, _log.c.at))),
            func.sum(case((held, _log.c.rows), else_=0)),
        )
        .where(_waiting)
        .group_by(_log.c.feature_view)
        .order_by(_log.c.feature_view)
    )
    with database(settings).connect() as connection:
        return [
            Waiting(view, int(rows), since and datetime.fromtimestamp(since / 1e6, UTC), int(held))
            for view, rows, since, held in connection.execute(totals)
        ]


def claim_rows(settings: Settings, view: str, flush_id: str, limit: int = 100_000) -> str | None:
    """Gives rows of the view to one flush; None when none wait but those that are held.

    A flush that was begun and not ended comes first, with its own id: whoever lands it again under that id
    lands nothing twice.

    Args:
        limit: about so many rows, and at least those of one push.
    """
    free = _log.c.flush_id.is_(None)
    of_view = (_log.c.feature_view == view) & _waiting & (free | (_log.c.flush_id != _HELD))
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
        connection.execute(update(_log).where(of_view & free & (_log.c.id <= last)).values(flush_id=flush_id))
    return flush_id


def hold_rows(settings: Settings, flush_id: str, ids: Collection[int]) -> None:
    """Takes rows, by `LoggedRows.id`, out of a flush: they wait until they are released."""
    held = update(_log).where((_log.c.flush_id == flush_id) & (_log.c.id == bindparam("number")))
    if ids:
        with database(settings).begin() as connection:
            connection.execute(held.values(flush_id=_HELD), [{"number": number} for number in ids])


def release_rows(settings: Settings, view: str) -> None:
    """Rows of the view that are held may be tried again."""
    held = (_log.c.feature_view == view) & (_log.c.flush_id == _HELD)
    with database(settings).begin() as connection:
        connection.execute(update(_log).where(held).values(flush_id=None))


def claimed_rows(settings: Settings, flush_id: str) -> list[LoggedRows]:
    return _logged(settings, _log.c.flush_id == flush_id)


def forget_rows(settings: Settings, flush_id: str) -> None:
    """They are in the lakehouse; their pushes stay known."""
    with database(settings).begin() as connection:
        connection.execute(
            update(_log).where(_log.c.flush_id == flush_id).values(payload=None, flush_id=None)
        )


def forget_pushes(settings: Settings, older_than: timedelta) -> None:
    """After so long a push id counts as new, if nothing of it waits any more."""
    before = time.time_ns() // 1_000 - older_than // timedelta(microseconds=1)
    with database(settings).begin() as connection:
        connection.execute(delete(_log).where(~_waiting & (_log.c.at < before)))


def _logged(settings: Settings, where: Any) -> list[LoggedRows]:
    wanted = select(_log.c.id, _log.c.feature_view, _log.c.rows, _log.c.payload)
    with database(settings).connect() as connection:
        return [LoggedRows(*row) for row in connection.execute(wanted.where(where).order_by(_log.c.id))]
