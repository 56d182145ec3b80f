"""Clients that ask an HTTP server as fast as it answers: each its own connection, one request at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import cast
from urllib.parse import urlsplit

import uvloop


@dataclass(frozen=True)
class Load:
    """`latencies` in seconds, sorted; `wall` is how long it took all clients."""

    latencies: list[float]
    wall: float
    failed: int

    @property
    def each(self) -> float:
        """Seconds a request, with all clients at work."""
        return self.wall / max(1, len(self.latencies))

    def percentile(self, share: float) -> float:
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


def request(address: str, path: str, body: bytes, token: str | None) -> bytes:
    """As it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {urlsplit(address).netloc}", "Content-Type: application/json"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += [f"Content-Length: {len(body)}", "Accept: */*", "User-Agent: benchmark", "", ""]
    return "\r\n".join(lines).encode() + body


def load(address: str, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    """So many clients for so long, each beginning at another request."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_load(address, requests, clients, seconds))


async def _load(address: str, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    loop = asyncio.get_running_loop()
    host, port = urlsplit(address).hostname or "127.0.0.1", urlsplit(address).port or 80
    began = time.perf_counter()
    asking = []
    for number in range(clients):
        first = number * len(requests) // clients
        turned = [*requests[first:], *requests[:first]]
        _, client = await loop.create_connection(partial(_Client, turned, began + seconds), host, port)
        asking.append(client)
    await asyncio.gather(*(client.ended for client in asking))
    wall = time.perf_counter() - began
    latencies = sorted(one for client in asking for one in client.latencies)
    return Load(latencies, wall, sum(client.failed for client in asking))


class _Client(asyncio.Protocol):
    def __init__(self, requests: Sequence[bytes], until: float) -> None:
        self._requests, self._until = cycle(requests), until
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.latencies: list[float] = []
        self.failed = 0
        self._buffer, self._length = b"", -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none of asyncio's classes
        self._send()

    def _send(self) -> None:
        self._buffer, self._length = b"", -1
        self._began = time.perf_counter()
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._length < 0:
            head, found, _ = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
            self._length = len(head) + 4 + int(length)
        if len(self._buffer) < self._length:
            return
        now = time.perf_counter()
        self.latencies.append(now - self._began)
        self.failed += not self._buffer.startswith(b"HTTP/1.1 200")
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
