"""Keys of requests: one that is sent again is answered as it was the first time, also after a restart."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    and_,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from asgard_pipelines.errors import Conflict
from asgard_pipelines.settings import Settings
from asgard_pipelines.state.database import database, metadata
from asgard_pipelines.state.processes import Doer, this_process

KEPT_FOR = timedelta(days=30)
_UNKNOWN_AFTER = timedelta(hours=1)
"""A process of another machine cannot be looked at: after so long it is taken to have died."""
_ASK_AGAIN_SECONDS = 5

_keys = Table(
    "request_keys",
    metadata,
    Column("principal", String(128), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("begun_at", DateTime, nullable=False, index=True),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", Float, nullable=False),
    Column("status", Integer),
    Column("headers", JSON),
    Column("body", LargeBinary),
)


class RequestKey(BaseModel):
    """`fingerprint` is a hash of what was asked: method, path, query and body."""

    model_config = ConfigDict(frozen=True)

    principal: str
    key: str
    fingerprint: str

    @property
    def digest(self) -> str:
        """32 hexadecimal digits, the same for every try: a name for the work that it asks for."""
        return hashlib.sha256(f"{self.principal}\0{self.key}".encode()).hexdigest()[:32]


class StoredAnswer(BaseModel):
    model_config = ConfigDict(frozen=True)

    status: int
    headers: dict[str, str]
    body: bytes


def begin_request(settings: Settings, key: RequestKey) -> StoredAnswer | None:
    """The answer that was given before; None when the request is this process's to answer now.

    Raises:
        Conflict: the key came with another request before, or another one with it is still at work.
    """
    now, me = datetime.now(UTC).replace(tzinfo=None), this_process()
    mine = {"begun_at": now, **me._asdict()}
    try:
        with database(settings).begin() as connection:
            connection.execute(delete(_keys).where(_keys.c.begun_at < now - KEPT_FOR))
            connection.execute(insert(_keys).values(**key.model_dump(), **mine))
        return None
    except IntegrityError:
        pass  # it came before
    with database(settings).begin() as connection:
        row = connection.execute(select(_keys).where(_is(key))).one_or_none()
        if row is not None and row.fingerprint != key.fingerprint:
            raise Conflict("This Idempotency-Key came with another request before: give this one its own.")
        if row is not None and row.status is not None:
            return StoredAnswer(status=row.status, headers=row.headers, body=row.body)
        if row is not None and _was_left(row, now):
            same = and_(_is(key), _keys.c.begun_at == row.begun_at)
            if connection.execute(update(_keys).where(same).values(**mine)).rowcount:
                return None
    raise Conflict(
        "The first request with this Idempotency-Key is still at work: ask again.",
        retry_after_seconds=_ASK_AGAIN_SECONDS,
    )


def keep_answer(settings: Settings, key: RequestKey, answer: StoredAnswer) -> None:
    """From now on the request is answered so."""
    with database(settings).begin() as connection:
        connection.execute(update(_keys).where(_is(key)).values(**answer.model_dump()))


def drop_request(settings: Settings, key: RequestKey) -> None:
    """It came to nothing: it may be tried again."""
    with database(settings).begin() as connection:
        connection.execute(delete(_keys).where(_is(key), _keys.c.status.is_(None)))


def _is(key: RequestKey) -> ColumnElement[bool]:
    return and_(_keys.c.principal == key.principal, _keys.c.key == key.key)


def _was_left(row: Row[tuple[object, ...]], now: datetime) -> bool:
    doer = Doer(row.host, row.pid, row.started)
    return doer.is_gone() or (doer.host != this_process().host and now - row.begun_at > _UNKNOWN_AFTER)
