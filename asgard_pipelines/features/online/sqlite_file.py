"""The online store's file: a connection to each thread, transactions, and Feast's idea of time."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.features.kinds import Ints

_LOCK_WAIT_SECONDS = 60.0
_LOOKS_SECONDS = 0.1
# Else `sqlite3` asks each bytes object anew how it wants to be adapted: a quarter of a large write's time.
sqlite3.register_adapter(bytes, bytes)


class SqliteFile:
    """Safe to use from several threads, and from several processes. The file is made by the first writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._own = threading.local()

    def reading(self) -> sqlite3.Connection | None:
        """This thread's connection; None while there is no file. That the file was deleted is seen within a
        tenth of a second."""
        own = self._own.__dict__
        if own.get("db") is not None and time.monotonic() - own["looked"] < _LOOKS_SECONDS:
            found: sqlite3.Connection = own["db"]
            return found
        return self._connection() if self.path.exists() else None

    def kept(self) -> dict[Any, Any]:
        """What this thread keeps for as long as its connection."""
        made: dict[Any, Any] = self._own.__dict__.setdefault("kept", {})
        return made

    @contextmanager
    def writing(self, *, lasting: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction, which holds the file's lock from its beginning: what it reads stays true until it
        ends. One that is `lasting` is on disk then; another one need not be, until `settle`: without it the
        end of the machine may undo the last transactions. Raises BackendUnavailable."""
        with self.answering():
            db = self._connection()
            if self._own.lasting is not lasting:
                db.execute(f"PRAGMA synchronous = {'FULL' if lasting else 'NORMAL'}")
                self._own.lasting = lasting
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def settle(self) -> None:
        """All that was committed is on disk. What is no longer in this log was synced on its way out of it.
        Raises BackendUnavailable."""
        try:
            with self.path.with_name(f"{self.path.name}-wal").open("rb") as log:
                os.fsync(log.fileno())
        except FileNotFoundError:
            return
        except OSError as error:
            raise BackendUnavailable(f"The online store does not answer: {error}.") from error

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Raises BackendUnavailable in the place of SQLite's errors."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise self.unavailable(error) from error

    def unavailable(self, error: sqlite3.DatabaseError) -> BackendUnavailable:
        return BackendUnavailable(f"The online store does not answer: {error}.")

    def close(self) -> None:
        """This thread's connection."""
        if (db := getattr(self._own, "db", None)) is not None:
            db.close()
            self._own.db = None

    def _connection(self) -> sqlite3.Connection:
        self._own.looked = time.monotonic()
        db: sqlite3.Connection | None = getattr(self._own, "db", None)
        if db is not None and self._own.file == self._which():
            return db
        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(
            self.path, timeout=_LOCK_WAIT_SECONDS, isolation_level=None, cached_statements=512
        )
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")  # as Feast has it: what was committed survives the machine
        # 32 MB: a page that many transactions write goes from the log to its place once.
        db.execute("PRAGMA wal_autocheckpoint = 8192")
        db.execute("PRAGMA mmap_size = 1073741824")
        db.execute("PRAGMA cache_size = -65536")
        self._own.db, self._own.file, self._own.kept, self._own.lasting = db, self._which(), {}, True
        return db

    def _which(self) -> tuple[int, int] | None:
        """Another one, when the file was deleted and made anew."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino


def feast_seconds(micros: Ints) -> list[int]:
    """What Feast's SQLite adapter makes of a UTC time: it takes it for one of the process's own zone."""
    seconds, part = np.divmod(micros, 1_000_000)
    seconds = seconds + ((micros < 0) & (part > 0))  # towards zero
    if time.timezone or time.daylight:
        distinct, places = np.unique(seconds, return_inverse=True)
        seconds = np.array([_as_local(one) for one in distinct.tolist()], np.int64)[places]
    whole: list[int] = seconds.tolist()
    return whole


def _as_local(seconds: int) -> int:
    try:
        return int(datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).timestamp())
    except (ValueError, OverflowError):  # in the year 1 or 9999, where Feast would fail
        return seconds


def utc_micros(seconds: int) -> int:
    """Back again."""
    try:
        local = datetime.fromtimestamp(seconds)
    except (ValueError, OverflowError):
        return seconds * 1_000_000
    return int((local - datetime(1970, 1, 1)).total_seconds()) * 1_000_000
