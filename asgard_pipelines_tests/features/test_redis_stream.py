"""Reads from Redis by an event loop: one connection for all that ask, and none of them keeps the others from
being served."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trustme

from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.features.online import redis_stream
from asgard_pipelines.features.online.prepared import PreparedRead
from asgard_pipelines.features.online.redis import RedisStore
from asgard_pipelines.features.online.redis_wire import command
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.contracts.online.views import NOON, prepared, rows, view
from asgard_pipelines_tests.stack.servers import free_port, redis_server

pytestmark = pytest.mark.stack
VISITS = view()
SETTINGS = Settings()
MANY = 300


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with redis_server(tmp_path, "--requirepass", "p@ss/word") as made:
        yield made


@contextlib.asynccontextmanager
async def _reading(store: RedisStore) -> AsyncIterator[PreparedRead]:
    try:
        yield prepared(SETTINGS, store, VISITS)
    finally:
        store.leave_loop()
        await asyncio.sleep(0)  # so long a connection takes to close


async def _pages(read: PreparedRead, *keys: int) -> list[int | None]:
    found: list[int | None] = (await read.awaited({"visitor_id": list(keys)})).columns[0]
    return found


def _laid(address: str, city: str = "Bonn") -> RedisStore:
    """Visitor 7 has 70 pages, and so on."""
    store, many = RedisStore("shop", address), list(range(MANY))
    pages = [one * 10 for one in many]
    store.write(VISITS, rows(VISITS, visitor_id=many, pages=pages, city=[city] * MANY, at=NOON))
    return store


def test_all_who_ask_at_once_get_each_their_own(port: int) -> None:
    """Over one connection, with what is longer than it carries at once among it."""
    store = _laid(f"redis://:p%40ss%2Fword@127.0.0.1:{port}/3", city="x" * 5_000)
    asked = [[(first + more) % (MANY + 1) for more in range(first % 9 + 1)] for first in range(200)]
    asked[50] = list(range(MANY))

    async def together() -> list[list[int | None]]:
        async with _reading(store) as read:
            return await asyncio.gather(*(_pages(read, *keys) for keys in asked))

    expected = [[key * 10 if key < MANY else None for key in keys] for keys in asked]
    assert asyncio.run(together()) == expected
    assert asyncio.run(together()) == expected, "by another event loop"


def test_a_lost_connection_is_made_good(port: int) -> None:
    store = _laid(f"redis://:p%40ss%2Fword@127.0.0.1:{port}/0")

    async def lost() -> None:
        async with _reading(store) as read:
            assert await _pages(read, 1) == [10]
            kill = command(b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes")
            store._wires.ask(kill, 1)
            assert await asyncio.gather(*(_pages(read, key) for key in (2, 3))) == [[20], [30]]
            await asyncio.sleep(0.05)
            store._wires.ask(kill, 1)
            await asyncio.sleep(0.05)  # it is known to be lost by now
            assert await _pages(read, 4) == [40]

    asyncio.run(lost())


def test_what_redis_refuses_and_where_nobody_listens_is_said(port: int, tmp_path: Path) -> None:
    async def read_from(address: str) -> None:
        async with _reading(RedisStore("shop", address)) as read:
            await _pages(read, 1)

    with pytest.raises(BackendUnavailable, match="refuses: WRONGPASS") as refused:
        asyncio.run(read_from(f"redis://:wrong@127.0.0.1:{port}/0"))
    assert "wrong" not in str(refused.value)
    with pytest.raises(BackendUnavailable, match="refuses: NOAUTH"):
        asyncio.run(read_from(f"redis://127.0.0.1:{port}/0"))
    with pytest.raises(BackendUnavailable, match=r"refuses: .*DB index"):
        asyncio.run(read_from(f"redis://:p%40ss%2Fword@127.0.0.1:{port}/999"))
    with pytest.raises(BackendUnavailable, match="does not answer"):
        asyncio.run(read_from(f"redis://127.0.0.1:{free_port()}/0"))


def test_while_redis_is_silent_others_are_served_and_who_asked_hears_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_stream, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = RedisStore("shop", f"redis://127.0.0.1:{silent.getsockname()[1]}/0")

        async def waiting() -> float:
            async with _reading(store) as read:
                asking = [asyncio.create_task(_pages(read, key)) for key in range(3)]
                longest, turn = 0.0, time.monotonic()
                while not all(one.done() for one in asking):
                    await asyncio.sleep(0.01)
                    longest, turn = max(longest, time.monotonic() - turn), time.monotonic()
                for one in asking:
                    assert "no reply within" in str(one.exception())
                    assert isinstance(one.exception(), BackendUnavailable)
            return longest

        assert asyncio.run(waiting()) < 0.25


def test_what_is_none_of_rediss_words_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        store = RedisStore("shop", f"redis://127.0.0.1:{other.getsockname()[1]}/0")

        async def asked() -> None:
            async def answering() -> None:
                connection, _ = await asyncio.to_thread(other.accept)
                with connection:
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

            async with _reading(store) as read, asyncio.TaskGroup() as tasks:
                tasks.create_task(answering())
                with pytest.raises(BackendUnavailable, match="does not answer"):
                    await _pages(read, 1)

        asyncio.run(asked())


def test_tls_is_spoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, port = trustme.CA(), free_port()
    names = ("server.pem", "authority.pem", "server.key")
    certificate, trusted, key = (str(tmp_path / name) for name in names)
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(trusted)
    tls = ["--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key]
    tls += ["--tls-ca-cert-file", trusted, "--tls-auth-clients", "no"]

    async def read_from(store: RedisStore) -> list[int | None]:
        async with _reading(store) as read:
            return await _pages(read, 7)

    with redis_server(tmp_path, *tls):
        address = f"rediss://127.0.0.1:{port}/2"
        with pytest.raises(BackendUnavailable, match="certificate verify failed"):
            asyncio.run(read_from(RedisStore("shop", address)))
        monkeypatch.setenv("SSL_CERT_FILE", trusted)
        assert asyncio.run(read_from(_laid(address))) == [70]
