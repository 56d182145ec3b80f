"""The online store in a SQLite file: Feast's own tables, a row for each key and feature.

Feast keeps whole seconds, and those in the process's time zone. Beside them stand columns of ours, which it does not
know: event and created time in microseconds, UTC. They count as long as Feast's column still holds what was written
with them; where Feast wrote last, its own seconds count, and no created time.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.features.kinds import Bools, Ints
from asgard_pipelines.features.online.encoded_rows import NO_CREATED, EncodedRows, Times
from asgard_pipelines.features.online.store import OnlineStore, Reader, StoredRow, ViewRead

_OURS = ("asgard_event_us", "asgard_created_us", "asgard_event_ts")
_AT = "CASE WHEN asgard_event_ts IS event_ts THEN asgard_event_us ELSE asgard_utc(event_ts) END"
_CREATED = "CASE WHEN asgard_event_ts IS event_ts THEN asgard_created_us END"
_TOKENS = "asgard_tokens"
_LOCK_WAIT_SECONDS = 60.0
_KEYS_AT_ONCE = 500
_FEATURES_AT_ONCE = 400
"""Of one statement: SQLite takes 32,766 parameters."""


class SqliteStore(OnlineStore):
    """`path` and its folder are made by the first write. A connection to each thread."""

    def __init__(self, project: str, path: Path) -> None:
        super().__init__(project)
        self.path = path
        self.address = f"sqlite:///{path}"
        self._own = threading.local()
        self._made: set[str] = set()

    def put(self, view: str, rows: EncodedRows) -> int:
        self.make(view)
        with self._writing() as db:
            if db.execute(f"SELECT 1 FROM {self._table(view)} LIMIT 1").fetchone():
                stored, known = self._stored(db, view, rows.keys.to_pylist())
                landing = ~known | rows.times.may_follow(stored)
                rows = rows if landing.all() else rows.take(np.flatnonzero(landing))
            self._insert(db, view, rows)
        return len(rows)

    def swap(
        self, view: str, keys: Sequence[bytes], expected: Times, rows: EncodedRows, taken: Sequence[int]
    ) -> int:
        self.make(view)
        with self._writing() as db:
            stored, known = self._stored(db, view, keys)
            as_expected = np.flatnonzero(known & expected.equal(stored))
            gone = [(keys[place],) for place in as_expected]
            db.executemany(f"DELETE FROM {self._table(view)} WHERE entity_key = ?", gone)
            self._insert(db, view, rows.take([taken[place] for place in as_expected if taken[place] >= 0]))
        return len(as_expected)

    def stored_times(self, view: str, keys: Sequence[bytes]) -> tuple[Times, Bools]:
        with self._answering():
            db = self._connection()
            if db is None or not self._there(db, view):
                return Times(np.zeros(len(keys), np.int64), None), np.zeros(len(keys), dtype=bool)
            return self._stored(db, view, keys)

    def reader(self, asked: Sequence[ViewRead]) -> Reader:
        return _SqliteReader(self, asked)

    def identity(self, view: str) -> str:
        self.make(view)
        with self._writing() as db:
            db.execute(f"CREATE TABLE IF NOT EXISTS {_TOKENS} (name TEXT PRIMARY KEY, token TEXT NOT NULL)")
            db.execute(
                f"INSERT OR IGNORE INTO {_TOKENS} VALUES (?, ?)", (self._name(view), secrets.token_hex(8))
            )
            found = db.execute(f"SELECT token FROM {_TOKENS} WHERE name = ?", (self._name(view),)).fetchone()
        return f"{self.address}#{found[0]}"

    def make(self, view: str) -> None:
        if view in self._made and self.path.exists():
            return
        table = self._table(view)
        with self._writing() as db:
            # As Feast makes it, but kept in the order of its key, and so without Feast's second index of it.
            db.execute(
                f"CREATE TABLE IF NOT EXISTS {table} (entity_key BLOB, feature_name TEXT, value BLOB, value_text TEXT, "
                "vector_value BLOB, event_ts timestamp, created_ts timestamp, "
                f"{', '.join(f'{name} INTEGER' for name in _OURS)}, PRIMARY KEY(entity_key, feature_name)) WITHOUT ROWID"
            )
            there = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
            for name in _OURS:
                if name not in there:  # Feast made the table
                    db.execute(f"ALTER TABLE {table} ADD COLUMN {name} INTEGER")
        self._made.add(view)

    def remove(self, view: str, features: Sequence[str]) -> None:
        self._made.discard(view)
        if self.path.exists():
            with self._writing() as db:
                db.execute(f"DROP TABLE IF EXISTS {self._table(view)}")
                if db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (_TOKENS,)).fetchone():
                    db.execute(f"DELETE FROM {_TOKENS} WHERE name = ?", (self._name(view),))

    def count(self, view: FeatureView) -> int | None:
        with self._answering():
            db = self._connection()
            if db is None or not self._there(db, view.name):
                return 0
            counted = db.execute(
                f"SELECT count(DISTINCT entity_key) FROM {self._table(view.name)}"
            ).fetchone()
            return int(counted[0])

    def ping(self) -> None:
        with self._answering():
            if (db := self._connection()) is not None:
                db.execute("SELECT name FROM sqlite_master LIMIT 1").fetchone()

    def close(self) -> None:
        if (db := getattr(self._own, "db", None)) is not None:
            db.close()
            self._own.db = None

    def _insert(self, db: sqlite3.Connection, view: str, rows: EncodedRows) -> None:
        """A row's features in one statement, which binds its key and its times once."""
        event = rows.times.event
        seconds = _feast_seconds(event)
        has_created = rows.times.has_created
        created = np.where(has_created, rows.times.created, None).tolist()
        created_seconds = np.where(
            has_created, _feast_seconds(np.where(has_created, rows.times.created, 0)), None
        )
        ours = [seconds, created_seconds.tolist(), event.tolist(), created]
        names = list(rows.values)
        keys = rows.keys.to_numpy(zero_copy_only=False).tolist()
        for start in range(0, len(names), _FEATURES_AT_ONCE):
            some = names[start : start + _FEATURES_AT_ONCE]
            each = ", ".join(
                f"(?1, {_text(name)}, ?{6 + n}, ?2, ?3, ?4, ?5, ?2)" for n, name in enumerate(some)
            )
            columns = [rows.values[name].to_numpy(zero_copy_only=False).tolist() for name in some]
            db.executemany(
                f"INSERT OR REPLACE INTO {self._table(view)} (entity_key, feature_name, value, event_ts, created_ts, "
                f"{', '.join(_OURS)}) VALUES {each}",
                zip(keys, *ours, *columns, strict=True),
            )

    def _stored(self, db: sqlite3.Connection, view: str, keys: Sequence[bytes]) -> tuple[Times, Bools]:
        found: dict[bytes, tuple[int, int | None]] = {}
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE]
            # SQLite gives the created time of the row that has the greatest event time.
            statement = (
                f"SELECT entity_key, max({_AT}), {_CREATED} FROM {self._table(view)} "
                f"WHERE entity_key IN ({', '.join('?' * len(some))}) GROUP BY entity_key"
            )
            found |= {key: (at, created) for key, at, created in db.execute(statement, some)}
        rows = [found.get(key) for key in keys]
        event = np.array([0 if row is None else row[0] for row in rows], np.int64)
        created = [NO_CREATED if row is None or row[1] is None else row[1] for row in rows]
        known = np.array([row is not None for row in rows], dtype=bool)
        return Times(event, np.array(created, np.int64)), known

    def _name(self, view: str) -> str:
        return f"{self.project}_{view}"

    def _table(self, view: str) -> str:
        return '"' + self._name(view).replace('"', '""') + '"'

    def _there(self, db: sqlite3.Connection, view: str) -> bool:
        """Whether the view has a table, with our columns."""
        if view in self._made:
            return True
        asked = f"SELECT 1 FROM pragma_table_info({_text(self._name(view))}) WHERE name IN {_OURS}"
        if len(db.execute(asked).fetchall()) == len(_OURS):
            self._made.add(view)
            return True
        if db.execute(f"SELECT 1 FROM pragma_table_info({_text(self._name(view))})").fetchone():
            self.make(view)
            return True
        return False

    def _connection(self, *, writes: bool = False) -> sqlite3.Connection | None:
        """This thread's; None while there is no file and nothing is to be written."""
        db: sqlite3.Connection | None = getattr(self._own, "db", None)
        if db is not None and self._own.file == _file(self.path):
            return db
        if not writes and not self.path.exists():
            return None
        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(
            self.path, timeout=_LOCK_WAIT_SECONDS, isolation_level=None, cached_statements=512
        )
        db.create_function("asgard_utc", 1, _utc_micros, deterministic=True)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")  # as Feast has it: what was committed survives the machine
        db.execute("PRAGMA mmap_size = 1073741824")
        db.execute("PRAGMA cache_size = -65536")
        self._own.db, self._own.file = db, _file(self.path)
        self._made.clear()
        return db

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which holds the file's lock from its beginning: what it reads stays true until it ends."""
        with self._answering():
            db = self._connection(writes=True)
            assert db is not None
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise BackendUnavailable(f"The online store does not answer: {error}.") from error


class _SqliteReader(Reader):
    def __init__(self, store: SqliteStore, asked: Sequence[ViewRead]) -> None:
        self._store = store
        self._asked = [
            (one, f"SELECT feature_name, value, {_AT} FROM {store._table(one.view)} WHERE entity_key = ?")
            for one in asked
        ]

    def fetch(self, keys: Sequence[Sequence[bytes]]) -> list[list[StoredRow | None]]:
        with self._store._answering():
            db = self._store._connection()
            return [self._rows(db, one, statement, keys[one.keys]) for one, statement in self._asked]

    def _rows(
        self, db: sqlite3.Connection | None, one: ViewRead, statement: str, keys: Sequence[bytes]
    ) -> list[StoredRow | None]:
        if db is None or not self._store._there(db, one.view):
            return [None] * len(keys)
        made: list[StoredRow | None] = []
        with closing(db.cursor()) as cursor:
            for key in keys:
                found = cursor.execute(statement, (key,)).fetchall()
                if found:
                    values = {row[0]: row[1] for row in found}
                    at = max([row[2] for row in found])
                    made.append((at, list(map(values.get, one.features))))
                else:
                    made.append(None)
        return made


def _file(path: Path) -> tuple[int, int] | None:
    """Which file it is; another one when it was deleted and made anew."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _feast_seconds(micros: Ints) -> list[int]:
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


def _utc_micros(seconds: int) -> int:
    """Back again."""
    try:
        local = datetime.fromtimestamp(seconds)
    except (ValueError, OverflowError):
        return seconds * 1_000_000
    return int((local - datetime(1970, 1, 1)).total_seconds()) * 1_000_000
