"""The online store in a SQLite file."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.features.kinds import Bools, Ints
from asgard_pipelines.features.online.encoded_rows import NO_CREATED, EncodedRows, Times
from asgard_pipelines.features.online.keys import encoded_keys
from asgard_pipelines.features.online.sqlite_file import SqliteFile, feast_seconds, utc_micros
from asgard_pipelines.features.online.sqlite_reader import SqliteReader
from asgard_pipelines.features.online.sqlite_tables import ViewTables, layout_of, packed
from asgard_pipelines.features.online.sqlite_views import SqliteViews
from asgard_pipelines.features.online.store import OnlineStore, Reader, ViewRead

_TOKENS = "asgard_tokens"
_KEYS_AT_ONCE = 500
_FEATURES_AT_ONCE = 400
"""Of one statement: SQLite takes 32,766 parameters."""


class SqliteStore(OnlineStore):
    """`path` and its folder are made by the first write. A connection to each thread."""

    def __init__(self, project: str, path: Path) -> None:
        super().__init__(project)
        self.file = SqliteFile(path)
        self._views = SqliteViews(project, self.file)
        self.address = f"sqlite:///{path}"

    def order(self, view: FeatureView, keys: pa.Table) -> Ints:
        """As they stand in the file: in another order each batch writes pages all over it."""
        made: Ints = pc.sort_indices(encoded_keys(list(view.join_keys), keys)[0]).to_numpy()
        return made

    def put(self, view: str, rows: EncodedRows) -> int:
        return self._put(view, rows, lasting=True)

    def put_logged(self, view: str, rows: EncodedRows) -> int:
        return self._put(view, rows, lasting=False)

    def settle(self) -> None:
        self.file.settle()

    def _put(self, view: str, rows: EncodedRows, *, lasting: bool) -> int:
        tables = self._views.tables(view)
        rows = rows.by_key()  # as they stand in the file: its pages are written one after the other
        with self.file.writing(lasting=lasting) as db:
            if tables.hold_rows(db):
                stored, known = _stored(tables, rows.key_list(), db)
                landing = ~known | rows.times.may_follow(stored)
                rows = rows if landing.all() else rows.take(np.flatnonzero(landing))
            _insert(tables, rows, db)
        return len(rows)

    def swap(
        self, view: str, keys: Sequence[bytes], expected: Times, rows: EncodedRows, taken: Sequence[int]
    ) -> int:
        tables = self._views.tables(view)
        with self.file.writing() as db:
            tables.make(db)
            stored, known = _stored(tables, keys, db)
            done: list[int] = np.flatnonzero(known & expected.equal(stored)).tolist()
            gone = [(keys[place],) for place in done]
            db.executemany(f"DELETE FROM {tables.feast} WHERE entity_key = ?", gone)
            _insert(tables, rows.take([taken[place] for place in done if taken[place] >= 0]), db)
        return len(done)

    def stored_times(self, view: str, keys: Sequence[bytes]) -> tuple[Times, Bools]:
        found = self._views.looked_up(view, partial(_stored, self._views.tables(view), keys))
        nothing = Times(np.zeros(len(keys), np.int64), None), np.zeros(len(keys), dtype=bool)
        return nothing if found is None else found

    def everything(self, view: str) -> Iterator[tuple[list[bytes], Times]]:
        after = f"SELECT DISTINCT entity_key FROM {self._views.tables(view).feast} WHERE entity_key > ?"
        some = f"{after} ORDER BY entity_key LIMIT {_KEYS_AT_ONCE}"
        last = b""
        while rows := self._views.looked_up(view, partial(_fetched, some, last)):
            yield self._present(view, [key for (key,) in rows])
            [last] = rows[-1]

    def reader(self, asked: Sequence[ViewRead]) -> Reader:
        return SqliteReader(self._views, asked)

    def identity(self, view: str) -> str:
        with self.file.writing() as db:
            self._views.tables(view).make(db)
            db.execute(f"CREATE TABLE IF NOT EXISTS {_TOKENS} (name TEXT PRIMARY KEY, token TEXT NOT NULL)")
            token = (self._views.name(view), secrets.token_hex(8))
            db.execute(f"INSERT OR IGNORE INTO {_TOKENS} VALUES (?, ?)", token)
            found = db.execute(f"SELECT token FROM {_TOKENS} WHERE name = ?", token[:1]).fetchone()
        return f"{self.address}#{found[0]}"

    def identities(self, views: Sequence[str]) -> dict[str, str]:
        with self.file.answering():
            if (db := self.file.reading()) is None or not _has_tokens(db):
                return {}
            tokens = dict(db.execute(f"SELECT name, token FROM {_TOKENS}").fetchall())
        names = {view: self._views.name(view) for view in views}
        return {view: f"{self.address}#{tokens[name]}" for view, name in names.items() if name in tokens}

    def make(self, view: str) -> None:
        self._views.make(view)

    def remove(self, view: str, features: Sequence[str]) -> None:
        if self.file.path.exists():
            with self.file.writing() as db:
                self._views.tables(view).drop(db)
                if _has_tokens(db):
                    db.execute(f"DELETE FROM {_TOKENS} WHERE name = ?", (self._views.name(view),))

    def count(self, view: FeatureView) -> int | None:
        statement = f"SELECT count(DISTINCT entity_key) FROM {self._views.tables(view.name).feast}"
        found = self._views.looked_up(view.name, lambda db: db.execute(statement).fetchone())
        return 0 if found is None else int(found[0])

    def ping(self) -> None:
        with self.file.answering():
            if (db := self.file.reading()) is not None:
                db.execute("SELECT name FROM sqlite_master LIMIT 1").fetchone()

    def close(self) -> None:
        self.file.close()


def _has_tokens(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (_TOKENS,)).fetchone() is not None


def _insert(tables: ViewTables, rows: EncodedRows, db: sqlite3.Connection) -> None:
    """A row's features in one statement, which binds key and times once; then the row in one piece."""
    seconds = feast_seconds(rows.times.event)
    created, created_seconds = _created(rows.times)
    keys, columns = rows.as_lists()
    names = tuple(rows.values)
    for start in range(0, len(names), _FEATURES_AT_ONCE):
        some = slice(start, start + _FEATURES_AT_ONCE)
        values = zip(keys, seconds, created_seconds, *columns[some], strict=True)
        db.executemany(_features_put(tables.feast, names[some]), values)
    layout = layout_of(db, names)
    db.executemany(
        f"INSERT OR REPLACE INTO {tables.ours} VALUES (?, ?, ?, {layout}, ?)",
        zip(keys, rows.times.event.tolist(), created, packed(rows), strict=True),
    )


@lru_cache(256)
def _features_put(table: str, names: tuple[str, ...]) -> str:
    each = [f"(?1, {_text(name)}, ?{4 + place}, ?2, ?3, 1)" for place, name in enumerate(names)]
    return (
        f"INSERT OR REPLACE INTO {table} (entity_key, feature_name, value, event_ts, created_ts, asgard) "
        f"VALUES {', '.join(each)}"
    )


def _created(times: Times) -> tuple[list[int | None], list[int | None]]:
    """In microseconds, and as Feast has them."""
    if times.created_or_none is None:
        return [None] * len(times.event), [None] * len(times.event)
    known = times.has_created.tolist()
    seconds = feast_seconds(np.where(known, times.created, 0))
    return _where(known, times.created.tolist()), _where(known, seconds)


def _stored(tables: ViewTables, keys: Sequence[bytes], db: sqlite3.Connection) -> tuple[Times, Bools]:
    found: dict[bytes, tuple[int, int | None]] = {}
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        some = keys[start : start + _KEYS_AT_ONCE]
        statement = f"SELECT entity_key, event_us, created_us FROM {tables.ours} WHERE entity_key IN ({{}})"
        found |= {key: (at, created) for key, at, created in db.execute(_of(statement, some), some)}
        left = [key for key in some if key not in found]
        statement = (
            f"SELECT entity_key, max(event_ts) FROM {tables.feast} WHERE entity_key IN ({{}}) GROUP BY 1"
        )
        found |= {key: (utc_micros(at), None) for key, at in db.execute(_of(statement, left), left)}
    rows = [found.get(key) for key in keys]
    event = np.array([0 if row is None else row[0] for row in rows], np.int64)
    created = [NO_CREATED if row is None or row[1] is None else row[1] for row in rows]
    known = np.array([row is not None for row in rows], dtype=bool)
    return Times(event, np.array(created, np.int64)), known


def _fetched(statement: str, after: bytes, db: sqlite3.Connection) -> list[tuple[bytes]]:
    return db.execute(statement, (after,)).fetchall()


def _of(statement: str, keys: Sequence[bytes]) -> str:
    return statement.format(", ".join("?" * len(keys)))


def _where(known: Sequence[bool], values: Sequence[int]) -> list[int | None]:
    return [value if one else None for one, value in zip(known, values, strict=True)]


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
