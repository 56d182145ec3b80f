"""Small reads that several requests ask for at once, done as one: by one statement or round trip, and what a
read costs however few its keys are is paid once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

if TYPE_CHECKING:
    from asgard_pipelines.features.online import OnlineAnswer, PreparedRead

_SMALL, _TOGETHER = 8, 32
"""Keys of a read that is shared, and how many such are shared."""
_IN_LOOP = 256
"""A read of no more keys is understood in the event loop: a thread would cost all others more."""


@dataclass(slots=True)
class RowsJson:
    """Of each row, in the order asked, a JSON object: name -> value, and name -> status."""

    names: tuple[str, ...]
    rows: Sequence[bytes]
    statuses: Sequence[bytes]


@dataclass(slots=True)
class _Asking:
    keys: Mapping[str, list[Any]]
    count: int
    answer: asyncio.Future[RowsJson]


class SharedReads:
    """For one event loop."""

    def __init__(self) -> None:
        self._asking: dict[PreparedRead, list[_Asking]] = {}
        self._at_work: set[asyncio.Task[None]] = set()

    async def read(self, read: PreparedRead, entities: Mapping[str, Sequence[Any]]) -> RowsJson:
        """
        Raises:
            Invalid: entities that are missing, or that no view has.
            TypeMismatch: a value that is no key of its entity.
            BackendUnavailable
        """
        keys = read.entities.take(entities)
        count = len(next(iter(keys.values()), ()))
        if count > _IN_LOOP:
            return await run_in_threadpool(lambda: _json(read.of_keys(keys)))
        if not 0 < count <= _SMALL:
            return _json(await read.awaited(keys))
        asking = _Asking(keys, count, asyncio.get_running_loop().create_future())
        if read in self._asking:
            self._asking[read].append(asking)
        else:
            self._asking[read] = [asking]
            asyncio.get_running_loop().call_soon(self._begin, read, 0)
        return await asking.answer

    def _begin(self, read: PreparedRead, before: int) -> None:
        """Once a turn of the loop has brought nobody who asks beyond those who did `before`."""
        loop, count = asyncio.get_running_loop(), len(self._asking[read])
        if before < count < _TOGETHER:
            loop.call_soon(self._begin, read, count)
        elif read.at_once:
            asking = self._next(read)
            try:
                _settle(asking, _json(read.of_keys(_keys(asking))))
            except Exception as error:
                _fail(asking, error)
            self._go_on(read)
        else:
            task = loop.create_task(self._answer(read))
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)

    async def _answer(self, read: PreparedRead) -> None:
        """Who asks while the store is at work is of the next read: the more there is to do, the more do it
        together."""
        asking = self._next(read)
        try:
            _settle(asking, _json(await read.awaited(_keys(asking))))
        except Exception as error:
            _fail(asking, error)
        finally:
            self._go_on(read)

    def _go_on(self, read: PreparedRead) -> None:
        if self._asking[read]:  # these after whatever else waits for its turn
            asyncio.get_running_loop().call_soon(self._begin, read, 0)
        else:
            del self._asking[read]

    def _next(self, read: PreparedRead) -> list[_Asking]:
        asking = self._asking[read]
        self._asking[read] = asking[_TOGETHER:]
        return asking[:_TOGETHER]


def _keys(asking: Sequence[_Asking]) -> Mapping[str, list[Any]]:
    if len(asking) == 1:
        return asking[0].keys
    return {name: [key for one in asking for key in one.keys[name]] for name in asking[0].keys}


def _json(answer: OnlineAnswer) -> RowsJson:
    return RowsJson(answer.names, answer.rows_json(), answer.statuses_json())


def _settle(asking: Sequence[_Asking], found: RowsJson) -> None:
    start = 0
    for one in asking:
        end = start + one.count
        if not one.answer.done():  # else nobody waits any more
            one.answer.set_result(RowsJson(found.names, found.rows[start:end], found.statuses[start:end]))
        start = end


def _fail(asking: Sequence[_Asking], error: Exception) -> None:
    for one in asking:
        if not one.answer.done():
            one.answer.set_exception(error)
