"""The database of Asgard's own records: SQLite embedded, any SQLAlchemy URL in production."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, MetaData, create_engine, event, make_url

from asgard_pipelines.settings import Settings

metadata = MetaData()
"""Every table of this room registers here."""


@lru_cache(maxsize=8)
def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)
    if parsed.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _patient)
    metadata.create_all(engine)
    return engine


def _patient(connection: Any, _record: object) -> None:
    """Writers of several processes wait for one another instead of failing."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.close()


def database(settings: Settings) -> Engine:
    """The engine for `settings.state_database`, its tables created."""
    return _engine(settings.state_database)
