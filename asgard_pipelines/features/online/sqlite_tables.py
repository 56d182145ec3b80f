"""A view's two tables in SQLite: Feast's, with a row for each feature, and ours, with one for each key.

Ours holds what Feast's has no place for (times in microseconds), and all values once more in one piece, so
that a key is read as one row. It counts only while nobody else has written: triggers on Feast's table delete
a key's row of ours when Feast inserts, updates or deletes one of the key's. Then Feast's rows count: whole
seconds, and no created time. The column `asgard`, unknown to Feast, tells our insertions from Feast's.
"""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.features.online.encoded_rows import EncodedRows
from asgard_pipelines.features.online.store import StoredRow

_LAYOUTS = "asgard_layouts"
_EMPTY = pa.scalar(b"", pa.binary())


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class ViewTables:
    """`name` is Feast's: the project's and the view's."""

    def __init__(self, name: str) -> None:
        self.feast, self.ours = quoted(name), quoted(f"asgard:{name}")
        # The last column is nothing; but Feast's table, if somebody made it anew, has none of that name, and
        # what ours says then belongs to the one before.
        columns = f"event_us, layout, packed, (SELECT asgard FROM {self.feast} LIMIT 0)"
        self.one_row = f"SELECT {columns} FROM {self.ours} WHERE entity_key = ?"
        self.several_rows = f"SELECT {columns}, entity_key FROM {self.ours} WHERE entity_key IN ({{}})"
        self.feast_rows = f"SELECT feature_name, value, event_ts FROM {self.feast} WHERE entity_key = ?"

    def hold_rows(self, db: sqlite3.Connection) -> bool:
        """Whether there are any; tables that are missing, or Feast's alone, are made. In a transaction."""
        look = f"SELECT asgard FROM {self.feast} LIMIT 1"
        try:
            return db.execute(look).fetchone() is not None
        except sqlite3.OperationalError as error:
            if "no such" not in str(error):
                raise
        self.make(db)
        return db.execute(look).fetchone() is not None

    def make(self, db: sqlite3.Connection) -> None:
        """In a transaction; nothing, when all of it is there."""
        there = {row[1] for row in db.execute(f"PRAGMA table_info({self.feast})")}
        if "asgard" in there:
            return
        db.execute(f"DROP TABLE IF EXISTS {self.ours}")
        if there:  # Feast made the table
            db.execute(f"ALTER TABLE {self.feast} ADD COLUMN asgard INTEGER")
        else:  # as Feast makes it, but kept in the order of its key: so without Feast's second index of it
            db.execute(
                f"CREATE TABLE {self.feast} (entity_key BLOB, feature_name TEXT, value BLOB, "
                "value_text TEXT, vector_value BLOB, event_ts timestamp, created_ts timestamp, "
                "asgard INTEGER, PRIMARY KEY(entity_key, feature_name)) WITHOUT ROWID"
            )
        db.execute(
            f"CREATE TABLE {self.ours} (entity_key BLOB PRIMARY KEY, event_us INTEGER NOT NULL, "
            "created_us INTEGER, layout INTEGER NOT NULL, packed BLOB NOT NULL) WITHOUT ROWID"
        )
        db.execute(f"CREATE TABLE IF NOT EXISTS {_LAYOUTS} (id INTEGER PRIMARY KEY, names TEXT UNIQUE)")
        for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            when = (
                "WHEN NEW.asgard IS NULL" if event == "INSERT" else ""
            )  # ours are never updated, but replaced
            db.execute(
                f"CREATE TRIGGER {quoted(f'{self.ours} {event}')} AFTER {event} ON {self.feast} {when} "
                f"BEGIN DELETE FROM {self.ours} WHERE entity_key = {row}.entity_key; END"
            )

    def drop(self, db: sqlite3.Connection) -> None:
        db.execute(f"DROP TABLE IF EXISTS {self.feast}")
        db.execute(f"DROP TABLE IF EXISTS {self.ours}")


@lru_cache(256)
def view_tables(name: str) -> ViewTables:
    return ViewTables(name)


def layout_of(db: sqlite3.Connection, names: tuple[str, ...]) -> int:
    """The number of this order of features."""
    told, look = _told(names), f"SELECT id FROM {_LAYOUTS} WHERE names = ?"
    if (found := db.execute(look, (told,)).fetchone()) is None:
        db.execute(f"INSERT INTO {_LAYOUTS} (names) VALUES (?)", (told,))
        found = db.execute(look, (told,)).fetchone()
    number: int = found[0]
    return number


@lru_cache(256)
def _told(names: tuple[str, ...]) -> str:
    return json.dumps(names)


def layout_names(db: sqlite3.Connection, number: int) -> list[str]:
    names: list[str] = json.loads(
        db.execute(f"SELECT names FROM {_LAYOUTS} WHERE id = ?", (number,)).fetchone()[0]
    )
    return names


def packed(rows: EncodedRows) -> list[bytes]:
    """Of each row the lengths of its values (32 bits each), then the values."""
    count, width = len(rows), len(rows.values)
    if isinstance(rows.keys, list):
        pack = _lengths(width).pack
        return [
            pack(*map(len, values)) + b"".join(values) for values in zip(*rows.as_lists()[1], strict=True)
        ] or [b""] * count
    lengths = np.empty((count, width), "<u4")
    for place, column in enumerate(rows.values.values()):
        lengths[:, place] = pc.binary_length(column).to_numpy(zero_copy_only=False)
    offsets = np.arange(count + 1, dtype=np.int32) * (4 * width)
    head = pa.BinaryArray.from_buffers(
        pa.binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(lengths)]
    )
    made: list[bytes] = (
        pc.binary_join_element_wise(head, *rows.values.values(), _EMPTY)
        .to_numpy(zero_copy_only=False)
        .tolist()
    )
    return made


def unpacker(names: Sequence[str], wanted: Sequence[str]) -> Callable[[bytes], list[bytes | None]]:
    """What takes the wanted features' values out of a packed row; None for one that is not in it."""
    lengths, start = _lengths(len(names)), 4 * len(names)
    if list(names) == list(wanted):
        return lambda row: [
            row[first:last] for first, last in pairwise(accumulate(lengths.unpack_from(row), initial=start))
        ]
    places = [names.index(name) if name in names else None for name in wanted]

    def taken(row: bytes) -> list[bytes | None]:
        ends = list(accumulate(lengths.unpack_from(row), initial=start))
        return [None if place is None else row[ends[place] : ends[place + 1]] for place in places]

    return taken


@lru_cache(256)
def _lengths(width: int) -> struct.Struct:
    return struct.Struct(f"<{width}I")


def of_feast(
    found: Sequence[tuple[str, bytes, int]], wanted: Sequence[str], utc: Callable[[int], int]
) -> StoredRow | None:
    """A row of what Feast wrote last."""
    if not found:
        return None
    values = {name: value for name, value, _ in found}
    return max(utc(at) for _, _, at in found), [values.get(name) for name in wanted]
