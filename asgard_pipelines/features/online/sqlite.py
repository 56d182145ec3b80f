"""The online store in a SQLite file: Feast's own tables, a row for each key and feature.

Feast keeps whole seconds, and those in the process's time zone. Beside them stand columns of ours, which it
does not know: event and created time in microseconds, UTC. They count as long as Feast's column still holds
what was written with them; where Feast wrote last, its own seconds count, and no created time.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.features.kinds import Bools
from asgard_pipelines.features.online.encoded_rows import NO_CREATED, EncodedRows, Times
from asgard_pipelines.features.online.sqlite_file import SqliteFile, feast_seconds
from asgard_pipelines.features.online.store import OnlineStore, Reader, StoredRow, ViewRead

_OURS = ("asgard_event_us", "asgard_created_us", "asgard_event_ts")
_AT = "CASE WHEN asgard_event_ts IS event_ts THEN asgard_event_us ELSE asgard_utc(event_ts) END"
_CREATED = "CASE WHEN asgard_event_ts IS event_ts THEN asgard_created_us END"
_TOKENS = "asgard_tokens"
_KEYS_AT_ONCE = 500
_FEATURES_AT_ONCE = 400
"""Of one statement: SQLite takes 32,766 parameters."""
T = TypeVar("T")


class SqliteStore(OnlineStore):
    """`path` and its folder are made by the first write. A connection to each thread."""

    def __init__(self, project: str, path: Path) -> None:
        super().__init__(project)
        self.file = SqliteFile(path)
        self.address = f"sqlite:///{path}"

    def put(self, view: str, rows: EncodedRows) -> int:
        with self.file.writing() as db:
            self._make(db, view)
            if db.execute(f"SELECT 1 FROM {self.table(view)} LIMIT 1").fetchone():
                stored, known = self._stored(db, view, rows.as_lists()[0])
                landing = ~known | rows.times.may_follow(stored)
                rows = rows if landing.all() else rows.take(np.flatnonzero(landing))
            self._insert(db, view, rows)
        return len(rows)

    def swap(
        self, view: str, keys: Sequence[bytes], expected: Times, rows: EncodedRows, taken: Sequence[int]
    ) -> int:
        with self.file.writing() as db:
            self._make(db, view)
            stored, known = self._stored(db, view, keys)
            done: list[int] = np.flatnonzero(known & expected.equal(stored)).tolist()
            gone = [(keys[place],) for place in done]
            db.executemany(f"DELETE FROM {self.table(view)} WHERE entity_key = ?", gone)
            self._insert(db, view, rows.take([taken[place] for place in done if taken[place] >= 0]))
        return len(done)

    def stored_times(self, view: str, keys: Sequence[bytes]) -> tuple[Times, Bools]:
        found = self.looked_up(view, lambda db: self._stored(db, view, keys))
        nothing = Times(np.zeros(len(keys), np.int64), None), np.zeros(len(keys), dtype=bool)
        return nothing if found is None else found

    def reader(self, asked: Sequence[ViewRead]) -> Reader:
        return _SqliteReader(self, asked)

    def identity(self, view: str) -> str:
        with self.file.writing() as db:
            self._make(db, view)
            db.execute(f"CREATE TABLE IF NOT EXISTS {_TOKENS} (name TEXT PRIMARY KEY, token TEXT NOT NULL)")
            token = (self._name(view), secrets.token_hex(8))
            db.execute(f"INSERT OR IGNORE INTO {_TOKENS} VALUES (?, ?)", token)
            found = db.execute(f"SELECT token FROM {_TOKENS} WHERE name = ?", token[:1]).fetchone()
        return f"{self.address}#{found[0]}"

    def make(self, view: str) -> None:
        with self.file.writing() as db:
            self._make(db, view)

    def remove(self, view: str, features: Sequence[str]) -> None:
        if self.file.path.exists():
            with self.file.writing() as db:
                db.execute(f"DROP TABLE IF EXISTS {self.table(view)}")
                if db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (_TOKENS,)).fetchone():
                    db.execute(f"DELETE FROM {_TOKENS} WHERE name = ?", (self._name(view),))

    def count(self, view: FeatureView) -> int | None:
        statement = f"SELECT count(DISTINCT entity_key) FROM {self.table(view.name)}"
        found = self.looked_up(view.name, lambda db: db.execute(statement).fetchone())
        return 0 if found is None else int(found[0])

    def ping(self) -> None:
        with self.file.answering():
            if (db := self.file.reading()) is not None:
                db.execute("SELECT name FROM sqlite_master LIMIT 1").fetchone()

    def close(self) -> None:
        self.file.close()

    def looked_up(self, view: str, look: Callable[[sqlite3.Connection], T]) -> T | None:
        """What `look` finds in the view's table; None where there is none."""
        with self.file.answering():
            if (db := self.file.reading()) is None:
                return None
            try:
                return look(db)
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return None
                if "no such column" not in str(error):
                    raise
            self.make(view)  # Feast made the table
            return look(db)

    def _make(self, db: sqlite3.Connection, view: str) -> None:
        """As Feast makes it, but kept in the order of its key, and so without Feast's second index of it."""
        columns = "entity_key BLOB, feature_name TEXT, value BLOB, value_text TEXT, vector_value BLOB"
        columns += ", event_ts timestamp, created_ts timestamp"
        columns += "".join(f", {name} INTEGER" for name in _OURS)
        key = "PRIMARY KEY(entity_key, feature_name)"
        db.execute(f"CREATE TABLE IF NOT EXISTS {self.table(view)} ({columns}, {key}) WITHOUT ROWID")
        there = {row[1] for row in db.execute(f"PRAGMA table_info({self.table(view)})")}
        for name in _OURS:
            if name not in there:
                db.execute(f"ALTER TABLE {self.table(view)} ADD COLUMN {name} INTEGER")

    def _insert(self, db: sqlite3.Connection, view: str, rows: EncodedRows) -> None:
        """A row's features in one statement, which binds its key and its times once."""
        event, created = rows.times.event, rows.times.created
        known = rows.times.has_created.tolist()
        times: list[list[Any]] = [feast_seconds(event), feast_seconds(np.where(known, created, 0))]
        times += [event.tolist(), created.tolist()]
        for place in (1, 3):
            times[place] = [at if one else None for at, one in zip(times[place], known, strict=True)]
        names = list(rows.values)
        keys, columns = rows.as_lists()
        for start in range(0, len(names), _FEATURES_AT_ONCE):
            some = names[start : start + _FEATURES_AT_ONCE]
            each = [f"(?1, {_text(name)}, ?{6 + n}, ?2, ?3, ?4, ?5, ?2)" for n, name in enumerate(some)]
            db.executemany(
                f"INSERT OR REPLACE INTO {self.table(view)} (entity_key, feature_name, value, event_ts, "
                f"created_ts, {', '.join(_OURS)}) VALUES {', '.join(each)}",
                zip(keys, *times, *columns[start : start + _FEATURES_AT_ONCE], strict=True),
            )

    def _stored(self, db: sqlite3.Connection, view: str, keys: Sequence[bytes]) -> tuple[Times, Bools]:
        found: dict[bytes, tuple[int, int | None]] = {}
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE]
            # SQLite gives the created time of the row that has the greatest event time.
            statement = (
                f"SELECT entity_key, max({_AT}), {_CREATED} FROM {self.table(view)} "
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

    def table(self, view: str) -> str:
        return '"' + self._name(view).replace('"', '""') + '"'


class _SqliteReader(Reader):
    def __init__(self, store: SqliteStore, asked: Sequence[ViewRead]) -> None:
        self._store = store
        self._asked = [
            (one, f"SELECT feature_name, value, {_AT} FROM {store.table(one.view)} WHERE entity_key = ?")
            for one in asked
        ]

    def fetch(self, keys: Sequence[Sequence[bytes]]) -> list[list[StoredRow | None]]:
        made: list[list[StoredRow | None]] = []
        for one, statement in self._asked:
            asked = keys[one.keys]
            found = self._store.looked_up(one.view, partial(_rows, statement, one.features, asked))
            made.append([None] * len(asked) if found is None else found)
        return made


def _rows(
    statement: str, features: Sequence[str], keys: Sequence[bytes], db: sqlite3.Connection
) -> list[StoredRow | None]:
    made: list[StoredRow | None] = []
    for key in keys:
        found = db.execute(statement, (key,)).fetchall()
        if found:
            values = {row[0]: row[1] for row in found}
            made.append((max([row[2] for row in found]), list(map(values.get, features))))
        else:
            made.append(None)
    return made


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
