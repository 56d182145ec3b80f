"""The database of Asgard's own records: SQLite embedded, any SQLAlchemy URL in production."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock
from typing import Any

from sqlalchemy import URL, Engine, ExceptionContext, MetaData, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from asgard_pipelines.errors import BackendUnavailable, InvalidSettings
from asgard_pipelines.settings import Settings
from asgard_pipelines.state.addresses import patient

SILENT = "The database of Asgard's own records does not answer."
_LOCK_WAIT_SECONDS = 30
"""Requests wait so long, and clients a minute or so for their answers."""
_opening = Lock()
metadata = MetaData()
"""Every table of this room registers here."""


@lru_cache(maxsize=8)
def _engine(url: str) -> Engine:
    engine = create_engine(patient(_parsed(url), _LOCK_WAIT_SECONDS))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _durable)
    _create_tables(engine)
    event.listen(engine, "handle_error", _unavailable)
    return engine


def _unavailable(context: ExceptionContext) -> None:
    """A database that is locked, full or gone is nobody's mistake, and may answer a moment later."""
    if isinstance(context.sqlalchemy_exception, OperationalError):
        raise BackendUnavailable(SILENT) from context.original_exception


def _create_tables(engine: Engine) -> None:
    """Two processes may open a new database at once: what one has made, the other finds at its next look."""
    for _ in metadata.tables:
        try:
            metadata.create_all(engine)
            return
        except (OperationalError, ProgrammingError):
            continue
    metadata.create_all(engine)


def _parsed(url: str) -> URL:
    """Raises InvalidSettings, without the address: it may hold a password."""
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except ArgumentError as error:
        raise InvalidSettings(
            "ASGARD_STATE_URL is no database address. Right would be, for example, "
            "'sqlite:////var/lib/asgard/state.db' or 'postgresql+psycopg://user@host/database'.",
            setting="ASGARD_STATE_URL",
            cause=type(error).__name__,
        ) from None
    return parsed


def _durable(connection: Any, _record: object) -> None:
    """What was committed is on disk."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def probe_database(settings: Settings) -> float | None:
    """Asks for one number. Connections in use of the pool's size, this one among them; None without a pool.

    Raises:
        BackendUnavailable: the database does not answer.
    """
    engine = database(settings)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            pool = engine.pool
            return pool.checkedout() / pool.size() if isinstance(pool, QueuePool) and pool.size() else None
    except SQLAlchemyError as error:
        raise BackendUnavailable(SILENT) from error


def database(settings: Settings) -> Engine:
    """The engine for `settings.state_database`, its tables created."""
    with _opening:
        return _engine(settings.state_database)
