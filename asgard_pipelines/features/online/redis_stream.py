"""Connections to Redis for event loops: whoever asks, requests go out one behind the other, and nobody's
thread waits for the replies."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, cast

import hiredis

from asgard_pipelines.features.online.redis_wire import SECONDS, RedisAddress, command, required


@dataclass(slots=True)
class _Asking:
    replies: int
    until: float
    answer: asyncio.Future[list[Any]]
    found: list[Any] = field(default_factory=list)


class Stream(asyncio.Protocol):
    """One connection of one event loop. Redis replies in the order in which it is asked."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.lost: Exception | None = None
        self._loop = loop
        self._asking: deque[_Asking] = deque()
        self._reader = hiredis.Reader()
        self._watch: asyncio.TimerHandle | None = None

    def ask(self, request: bytes, replies: int) -> asyncio.Future[list[Any]]:
        """Fails with OSError when the connection is lost, or nothing comes for too long."""
        answer: asyncio.Future[list[Any]] = self._loop.create_future()
        if self.lost:
            answer.set_exception(self.lost)
            return answer
        self._asking.append(_Asking(replies, self._loop.time() + SECONDS, answer))
        self._transport.write(request)
        if self._watch is None:
            self._watch = self._loop.call_later(SECONDS, self._look)
        return answer

    def close(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none of asyncio's classes

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        reader.feed(data)
        while self._asking:
            asking = self._asking[0]
            while len(asking.found) < asking.replies:
                reply = reader.gets()
                if reply is False:  # not all of it is there; RESP2 has no other False
                    return
                asking.found.append(reply)
            self._asking.popleft()
            if not asking.answer.done():  # else nobody waits any more
                asking.answer.set_result(asking.found)

    def connection_lost(self, error: Exception | None) -> None:
        if not isinstance(error, OSError):  # what came was none of Redis's, or the connection was closed
            error = ConnectionResetError(str(error or "the connection was closed"))
        self._lose(error)

    def _look(self) -> None:
        """Whether who has waited longest has waited too long. One clock for all: each one's own would cost
        more than its request."""
        self._watch = None
        if not self._asking:
            return
        if (until := self._asking[0].until) > self._loop.time():
            self._watch = self._loop.call_at(until, self._look)
        else:
            self._lose(TimeoutError(f"no reply within {SECONDS} s"))
            self._transport.abort()

    def _lose(self, error: Exception) -> None:
        self.lost = self.lost or error
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        while self._asking:
            if not (answer := self._asking.popleft().answer).done():
                answer.set_exception(self.lost)


class Streams:
    """To one Redis, a connection of each event loop that asks, kept for as long as it lasts."""

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        self._opened: dict[asyncio.AbstractEventLoop, asyncio.Task[Stream]] = {}

    async def ask(self, request: bytes, replies: int) -> list[Any]:
        """Once more over a new connection, if the one that was kept turns out to be lost: what is asked here
        may be asked twice. Raises BackendUnavailable."""
        loop = asyncio.get_running_loop()
        while True:
            opening = self._opened.get(loop)
            kept = opening is not None and opening.done()
            if opening is None or (kept and not _lives(opening)):
                opening, kept = self._open(loop), False
            try:  # who stops waiting stops nobody else
                stream = opening.result() if kept else await asyncio.shield(opening)
                return await stream.ask(request, replies)
            except OSError as error:
                if not kept:
                    raise self._address.unavailable(error) from error

    def leave_loop(self) -> None:
        """Closes the running event loop's."""
        opening = self._opened.pop(asyncio.get_running_loop(), None)
        if opening is not None and opening.done() and _lives(opening):
            opening.result().close()

    def _open(self, loop: asyncio.AbstractEventLoop) -> asyncio.Task[Stream]:
        for one in [one for one in self._opened if one.is_closed()]:
            del self._opened[one]
        self._opened[loop] = opening = loop.create_task(self._greeted(loop))
        opening.add_done_callback(_lives)  # looks at its error: nobody may be waiting for it any more
        return opening

    async def _greeted(self, loop: asyncio.AbstractEventLoop) -> Stream:
        address = self._address
        try:
            async with asyncio.timeout(SECONDS):
                _, stream = await loop.create_connection(
                    lambda: Stream(loop), address.host, address.port, ssl=address.tls_context()
                )
        except TimeoutError:
            raise TimeoutError(f"no connection within {SECONDS} s") from None
        if address.greeting:
            request = b"".join([command(*arguments) for arguments in address.greeting])
            try:
                required(await stream.ask(request, len(address.greeting)), address)
            except BaseException:
                stream.close()
                raise
        return stream


def _lives(opening: asyncio.Task[Stream]) -> bool:
    return not (opening.cancelled() or opening.exception() or opening.result().lost)
