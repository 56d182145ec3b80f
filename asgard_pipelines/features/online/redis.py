"""The online store in Redis: Feast's hashes, one for each entity key, with the features of all its views.

Beside each view's time (`_ts:VIEW`) stands a field of ours, which Feast does not know: the row's stamp, and
the time that it was written with. Where Feast wrote last the two differ, and its time counts, with no created
time.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import hiredis
import numpy as np

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.features.kinds import Bools
from asgard_pipelines.features.online.encoded_rows import EncodedRows, Times
from asgard_pipelines.features.online.few_values import FEW
from asgard_pipelines.features.online.keys import key_length
from asgard_pipelines.features.online.redis_held import HeldRows, worth_holding
from asgard_pipelines.features.online.redis_reader import RedisReader
from asgard_pipelines.features.online.redis_requests import (
    field,
    our_field,
    request_of_few,
    request_of_many,
    time_field,
)
from asgard_pipelines.features.online.redis_scripts import PUT, SWAP, name_of
from asgard_pipelines.features.online.redis_stream import Streams
from asgard_pipelines.features.online.redis_times import feast_times, stored_stamp
from asgard_pipelines.features.online.redis_wire import RedisAddress, Wires, bulk, command, required
from asgard_pipelines.features.online.stamps import stamps, times_of
from asgard_pipelines.features.online.store import OnlineStore, Reader, ViewRead

_SCANNED = b"5000"


class RedisStore(OnlineStore):
    def __init__(self, project: str, url: str) -> None:
        super().__init__(project)
        self._wires = Wires(RedisAddress(url))
        self._streams = Streams(self._wires.address)
        self.address = self._wires.address.shown
        self._suffix = project.encode()
        self._tokens = f"asgard:{project}:tokens".encode()

    def put(self, view: str, rows: EncodedRows) -> int:
        if not len(rows):
            return 0
        if isinstance(rows.keys, list) and len(rows) <= FEW:
            request, calls = request_of_few(view, rows, self._suffix), 1
        else:
            request, calls = request_of_many(view, rows, self._suffix)
        # Asked twice it does the same: over a lost connection no PING need go before it.
        found = self._wires.ask(request, calls)
        if _script_is_lost(found):
            self._load(PUT)
            found = self._wires.ask(request, calls)
        return sum(required(found, self._wires.address))

    def ready(self, view: str, rows: EncodedRows) -> AbstractContextManager[Callable[[], int]]:
        return self._held(view, rows) if worth_holding(rows) else super().ready(view, rows)

    @contextmanager
    def _held(self, view: str, rows: EncodedRows) -> Iterator[Callable[[], int]]:
        held = HeldRows(self._wires, view, rows, self._suffix)

        def put() -> int:
            landed, left = held.put()
            return landed + (self.put(view, rows.take(left)) if left else 0)

        try:
            yield put
        finally:
            held.close()

    def swap(
        self, view: str, keys: Sequence[bytes], expected: Times, rows: EncodedRows, taken: Sequence[int]
    ) -> int:
        names = list(rows.values)
        fields = [field(view, name) for name in names]
        head = [time_field(view), our_field(view)]
        new_stamps, new_times = stamps(rows.times).to_pylist(), feast_times(rows.times.event).to_pylist()
        columns = rows.as_lists()[1]
        requests = []
        for key, stamp, place in zip(keys, stamps(expected).to_pylist(), taken, strict=True):
            arguments = [*head, stamp, str(len(fields)).encode(), *fields]
            if place >= 0:
                arguments += [new_stamps[place], new_times[place]]
                for name, column in zip(fields, columns, strict=True):
                    arguments += [name, column[place]]
            requests.append(command(b"EVALSHA", name_of(SWAP), b"1", key + self._suffix, *arguments))
        if not requests:
            return 0
        with self._wires.fresh() as wire:
            found = wire.ask(b"".join(requests), len(keys))
            if _script_is_lost(found):
                self._load(SWAP)
                found = wire.ask(b"".join(requests), len(keys))
        return sum(required(found, self._wires.address))

    def stored_times(self, view: str, keys: Sequence[bytes]) -> tuple[Times, Bools]:
        tail = bulk(time_field(view), our_field(view))
        request = b"".join([b"*4\r\n" + bulk(b"HMGET", key + self._suffix) + tail for key in keys])
        found: list[bytes | None] = []
        for at, ours in required(self._wires.ask(request, len(keys)), self._wires.address) if keys else ():
            found.append(None if at is None else stored_stamp(at, ours))
        return times_of(found), np.array([one is not None for one in found], dtype=bool)

    def everything(self, view: str) -> Iterator[tuple[list[bytes], Times]]:
        for scanned in self._scanned():
            yield self._present(view, [key.removesuffix(self._suffix) for key in scanned])

    def reader(self, asked: Sequence[ViewRead]) -> Reader:
        return RedisReader(self._wires, self._streams, self._suffix, asked)

    def identity(self, view: str) -> str:
        name, token = view.encode(), secrets.token_hex(8).encode()
        request = command(b"HSETNX", self._tokens, name, token) + command(b"HGET", self._tokens, name)
        found = required(self._wires.ask(request, 2), self._wires.address)
        return f"{self.address}#{found[1].decode()}"

    def identities(self, views: Sequence[str]) -> dict[str, str]:
        if not views:
            return {}
        request = command(b"HMGET", self._tokens, *(view.encode() for view in views))
        found = required(self._wires.ask(request, 1), self._wires.address)[0]
        known = zip(views, found, strict=True)
        return {view: f"{self.address}#{token.decode()}" for view, token in known if token is not None}

    def make(self, view: str) -> None:
        """Nothing: a hash is made by its first field."""

    def settle(self) -> None:
        """Nothing: Redis's own settings say when it writes to disk."""

    def remove(self, view: str, features: Sequence[str]) -> None:
        gone = bulk(time_field(view), our_field(view), *(field(view, name) for name in features))
        for keys in self._scanned():
            requests = [b"*%d\r\n" % (4 + len(features)) + bulk(b"HDEL", key) + gone for key in keys]
            required(self._wires.ask(b"".join(requests), len(keys)), self._wires.address)
        self._wires.ask(command(b"HDEL", self._tokens, view.encode()), 1)

    def count(self, view: FeatureView) -> int | None:
        """Looks at every key of the project: about a second for a million."""
        counted = 0
        for keys in self._scanned():
            request = b"".join([command(b"HEXISTS", key, time_field(view.name)) for key in keys])
            counted += sum(required(self._wires.ask(request, len(keys)), self._wires.address))
        return counted

    def ping(self) -> None:
        required(self._wires.ask(command(b"PING"), 1), self._wires.address)

    def close(self) -> None:
        self._wires.close()

    def leave_loop(self) -> None:
        self._streams.leave_loop()

    def _load(self, script: str) -> None:
        """After a restart, for example, Redis knows none; what was called then did nothing."""
        request = command(b"SCRIPT", b"LOAD", script.encode())
        required(self._wires.ask(request, 1), self._wires.address)

    def _scanned(self) -> Iterator[list[bytes]]:
        """The project's keys, and not those of one whose name ends in the same letters."""
        cursor = b"0"
        while True:
            request = command(
                b"SCAN", cursor, b"MATCH", b"*" + _escaped(self._suffix), b"COUNT", _SCANNED, b"TYPE", b"hash"
            )
            cursor, keys = required(self._wires.ask(request, 1), self._wires.address)[0]
            if own := [key for key in keys if key[key_length(key) :] == self._suffix]:
                yield own
            if cursor == b"0":
                return


def _script_is_lost(replies: Sequence[Any]) -> bool:
    return any(isinstance(one, hiredis.ReplyError) and str(one).startswith("NOSCRIPT") for one in replies)


def _escaped(text: bytes) -> bytes:
    return b"".join(b"\\" + bytes([one]) if one in b"*?[]\\^" else bytes([one]) for one in text)
