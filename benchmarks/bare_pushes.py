"""What no push can do without: the wire and the disk, with nothing checked, guarded or answered."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.features.given_values import given_time
from asgard_pipelines.features.online.encoded_rows import EncodedRows, encoded_records
from asgard_pipelines.features.online.redis_requests import field, time_field
from asgard_pipelines.features.online.redis_wire import RedisAddress, Wire, command

Ready = Callable[[list[dict[str, Any]]], Callable[[], Any]]
"""Takes rows, and gives what is timed of their push."""


def two_round_trips(url: str, folder: Path) -> Ready:
    """Two round trips to Redis, and one fsync of about what a push has to keep."""
    host, _, rest = url.removeprefix("redis://").partition(":")
    wire = socket.create_connection((host, int(rest.partition("/")[0])))
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    kept = _log(folder / "bare.log")

    def push(size: int) -> None:
        kept(b"x" * 300 * size)
        for _ in range(2):
            wire.sendall(b"*1\r\n$4\r\nPING\r\n")
            wire.recv(64)

    return lambda rows: lambda: push(len(rows))


def carried_to_redis(url: str, folder: Path, view: FeatureView) -> Ready:
    """One fsync of the rows as JSON, then an HSET for each, all sent at once and written out beforehand:
    Feast's own fields, without a guard."""
    wire, kept = Wire(RedisAddress(url)), _log(folder / "carried.log")
    names = [time_field(view.name), *(field(view.name, feature) for feature in view.feature_names)]

    def push(payload: bytes, request: bytes, replies: int) -> None:
        kept(payload)
        wire.ask(request, replies)

    def ready(rows: list[dict[str, Any]]) -> Callable[[], Any]:
        keys, columns = _encoded(view, rows).as_lists()
        request = [
            command(
                b"HSET", key + b"carried", *(part for pair in zip(names, row, strict=True) for part in pair)
            )
            for key, *row in zip(keys, [b"\x08\x00"] * len(keys), *columns, strict=True)
        ]
        payload, sent = orjson.dumps(rows), b"".join(request)
        return lambda: push(payload, sent, len(rows))

    return ready


def carried_to_sqlite(folder: Path, view: FeatureView) -> Ready:
    """One fsync of the rows as JSON, then a row for each feature, as Feast has them, in the order of the
    keys: without a guard, without triggers, and not synced."""
    db = sqlite3.connect(folder / "carried.db", isolation_level=None)
    for setting in ("journal_mode = WAL", "synchronous = NORMAL", "wal_autocheckpoint = 8192"):
        db.execute(f"PRAGMA {setting}")
    db.execute("PRAGMA cache_size = -65536")
    db.execute(
        "CREATE TABLE rows (entity_key BLOB, feature_name TEXT, value BLOB, value_text TEXT, "
        "vector_value BLOB, event_ts timestamp, created_ts timestamp, "
        "PRIMARY KEY(entity_key, feature_name)) WITHOUT ROWID"
    )
    each = [f"(?1, '{name}', ?{place + 3}, ?2)" for place, name in enumerate(view.feature_names)]
    head = "INSERT OR REPLACE INTO rows (entity_key, feature_name, value, event_ts) VALUES "
    statement = head + ", ".join(each)
    kept = _log(folder / "carried.log")

    def push(payload: bytes, values: Sequence[tuple[Any, ...]]) -> None:
        kept(payload)
        db.execute("BEGIN IMMEDIATE")
        db.executemany(statement, values)
        db.execute("COMMIT")

    def ready(rows: list[dict[str, Any]]) -> Callable[[], Any]:
        made = _encoded(view, rows)
        keys, columns = made.as_lists()
        values = sorted(zip(keys, made.times.event.tolist(), *columns, strict=True))
        payload = orjson.dumps(rows)
        return lambda: push(payload, values)

    return ready


def _encoded(view: FeatureView, rows: list[dict[str, Any]]) -> EncodedRows:
    columns = {name: [row[name] for row in rows] for name in (*view.join_keys, *view.feature_names)}
    event = [given_time(row[view.timestamp]) for row in rows]
    return encoded_records(view, dict.fromkeys(view.join_keys, "int64"), columns, event, None)


def _log(path: Path) -> Callable[[bytes], None]:
    file = path.open("ab", buffering=0)

    def kept(data: bytes) -> None:
        file.write(data)
        os.fsync(file.fileno())

    return kept
