"""Reads from the online store in Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asgard_pipelines.features.online.redis_requests import field, time_field
from asgard_pipelines.features.online.redis_stream import Streams
from asgard_pipelines.features.online.redis_times import micros_of
from asgard_pipelines.features.online.redis_wire import Wires, bulk, required
from asgard_pipelines.features.online.store import Reader, StoredRow, ViewRead


class RedisReader(Reader):
    """Views of the same keys are read by the same command: they are fields of the same hash."""

    def __init__(self, wires: Wires, streams: Streams, suffix: bytes, asked: Sequence[ViewRead]) -> None:
        self._wires, self._streams, self._suffix = wires, streams, suffix
        self._groups: list[tuple[int, bytes, bytes, list[tuple[int, int, int]]]] = []
        self._views = len(asked)
        for number in sorted({one.keys for one in asked}):
            fields: list[bytes] = []
            spans = []
            for place, one in enumerate(asked):
                if one.keys == number:
                    spans.append((place, len(fields), len(fields) + len(one.features)))
                    fields += [field(one.view, name) for name in one.features] + [time_field(one.view)]
            head = b"*%d\r\n" % (2 + len(fields)) + bulk(b"HMGET")
            self._groups.append((number, head, bulk(*fields), spans))

    def fetch(self, keys: Sequence[Sequence[bytes]]) -> list[list[StoredRow | None]]:
        request, replies = self._request(keys)
        return self._rows(keys, self._wires.ask(request, replies) if replies else [])

    async def fetched(self, keys: Sequence[Sequence[bytes]]) -> list[list[StoredRow | None]]:
        request, replies = self._request(keys)
        return self._rows(keys, await self._streams.ask(request, replies) if replies else [])

    def _request(self, keys: Sequence[Sequence[bytes]]) -> tuple[bytes, int]:
        """And how many replies it has."""
        request: list[bytes] = []
        suffix = self._suffix
        replies = 0
        for number, head, tail, _ in self._groups:
            for key in keys[number]:
                request += (head, b"$%d\r\n" % (len(key) + len(suffix)), key, suffix, b"\r\n", tail)
            replies += len(keys[number])
        return b"".join(request), replies

    def _rows(self, keys: Sequence[Sequence[bytes]], found: Sequence[Any]) -> list[list[StoredRow | None]]:
        made: list[list[StoredRow | None]] = [[]] * self._views
        start = 0
        for number, _, _, spans in self._groups:
            rows = found[start : start + len(keys[number])]
            start += len(rows)
            for row in rows:
                if type(row) is not list:
                    required(found, self._wires.address)
            for place, first, last in spans:
                made[place] = [
                    None if (at := row[last]) is None else (_TIMES[at], row[first:last]) for row in rows
                ]
        return made


class _Known(dict[bytes, int]):
    """Feast's times, in microseconds."""

    def __missing__(self, at: bytes) -> int:
        if len(self) > 100_000:
            self.clear()
        self[at] = made = micros_of(at)
        return made


_TIMES = _Known()
