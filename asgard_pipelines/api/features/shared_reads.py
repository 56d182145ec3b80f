"""Small reads that several requests ask for in one turn of the event loop, done as one: by one statement or
round trip, and what a read costs however few its keys are is paid once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

if TYPE_CHECKING:
    from asgard_pipelines.features.online import PreparedRead

_SMALL, _TOGETHER = 8, 32
"""Keys of a read that is shared, and how many such are shared."""
_AT_ONCE = 256
"""Of a store that is near, a read of no more keys is done at once: a thread would cost all others more."""


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
    """For one event loop. `near`: the store answers in less time than a thread takes."""

    def __init__(self, *, near: bool) -> None:
        self._near = near
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
        if not 0 < count <= _SMALL:
            if self._near and count <= _AT_ONCE:
                return _read(read, keys)
            return await run_in_threadpool(_read, read, keys)
        loop = asyncio.get_running_loop()
        asking = _Asking(keys, count, loop.create_future())
        if read in self._asking:
            self._asking[read].append(asking)
        else:
            self._asking[read] = [asking]
            loop.call_soon(self._begin, read)
        return await asking.answer

    def _begin(self, read: PreparedRead) -> None:
        asking = self._asking.pop(read)
        if asking[_TOGETHER:]:  # these after whatever else waits for its turn
            self._asking[read] = asking[_TOGETHER:]
            asyncio.get_running_loop().call_soon(self._begin, read)
        asking = asking[:_TOGETHER]
        keys = {name: [key for one in asking for key in one.keys[name]] for name in asking[0].keys}
        if self._near:
            try:
                _settle(asking, _read(read, keys))
            except Exception as error:
                _fail(asking, error)
        else:
            task = asyncio.create_task(_from_afar(read, keys, asking))
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)


async def _from_afar(read: PreparedRead, keys: Mapping[str, list[Any]], asking: Sequence[_Asking]) -> None:
    try:
        _settle(asking, await run_in_threadpool(_read, read, keys))
    except Exception as error:
        _fail(asking, error)


def _read(read: PreparedRead, keys: Mapping[str, list[Any]]) -> RowsJson:
    answer = read.of_keys(keys)
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
