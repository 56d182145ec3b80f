"""Reads from the online store in a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import Any

from asgard_pipelines.features.online.sqlite_file import SqliteFile, utc_micros
from asgard_pipelines.features.online.sqlite_tables import ViewTables, layout_names, of_feast, unpacker
from asgard_pipelines.features.online.sqlite_views import SqliteViews
from asgard_pipelines.features.online.store import Reader, StoredRow, ViewRead

_AT_ONCE = 256
"""Keys of one statement, which takes the file's lock once for all of them."""
_Layouts = dict[tuple[int, tuple[str, ...]], Callable[[bytes], list[bytes | None]]]


class SqliteReader(Reader):
    at_once = True

    def __init__(self, views: SqliteViews, asked: Sequence[ViewRead]) -> None:
        self._views = views
        self._asked = [(one, views.tables(one.view)) for one in asked]

    def fetch(self, keys: Sequence[Sequence[bytes]]) -> list[list[StoredRow | None]]:
        made: list[list[StoredRow | None]] = []
        for one, tables in self._asked:
            asked = keys[one.keys]
            look = partial(_rows, self._views.file, tables, one.features, asked)
            found = self._views.looked_up(one.view, look)
            made.append([None] * len(asked) if found is None else found)
        return made

    async def fetched(self, keys: Sequence[Sequence[bytes]]) -> list[list[StoredRow | None]]:
        return self.fetch(keys)


def _rows(
    file: SqliteFile,
    tables: ViewTables,
    features: tuple[str, ...],
    keys: Sequence[bytes],
    db: sqlite3.Connection,
) -> list[StoredRow | None]:
    if len(keys) == 1:
        found = {keys[0]: db.execute(tables.one_row, (keys[0],)).fetchone()}
    else:
        found = {row[4]: row for row in _several(tables, keys, db)}
    layouts: _Layouts = file.kept()
    made: list[StoredRow | None] = []
    for key in keys:
        row = found.get(key)
        if row is None:
            by_feast = db.execute(tables.feast_rows, (key,)).fetchall()
            # Ours may have been written since the first look.
            row = db.execute(tables.one_row, (key,)).fetchone() if by_feast else None
            if row is None:
                made.append(of_feast(by_feast, features, utc_micros))
                continue
        unpack = layouts.get((row[1], features))
        if unpack is None:
            unpack = layouts[row[1], features] = unpacker(layout_names(db, row[1]), features)
        made.append((row[0], unpack(row[2])))
    return made


def _several(tables: ViewTables, keys: Sequence[bytes], db: sqlite3.Connection) -> Iterable[tuple[Any, ...]]:
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        width = 1 << (len(some) - 1).bit_length()  # few statements, each prepared once
        yield from db.execute(
            tables.several_rows.format(_marks(width)), [*some, *[some[-1]] * (width - len(some))]
        )


@lru_cache
def _marks(count: int) -> str:
    return ", ".join("?" * count)
