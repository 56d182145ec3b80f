"""Pushes while something dies: what was acknowledged is online and lands; what was not is told so by a typed
error, or by a broken connection, and is taken once when it is sent again by its id."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from asgard_pipelines.cli.ports import free_port
from asgard_pipelines.features import flush_pushes
from asgard_pipelines.features.online import online_store
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.project import load
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import known_pushes, waiting_rows
from asgard_pipelines_tests.empty_project import empty_project
from asgard_pipelines_tests.serving import api, send, until
from asgard_pipelines_tests.stack.servers import redis_server

pytestmark = pytest.mark.timeout(300)
NOW = datetime.now(UTC)
VIEW: dict[str, Any] = {
    "name": "session_features",
    "entities": ["customer"],
    "schema": [{"name": "customer_id", "dtype": "string"}, {"name": "cart_value", "dtype": "float64"}],
    "source": {"type": "push", "name": "sessions"},
}
MANY = 100
"""Rows that Redis holds in a transaction; one goes there by a script."""


class Redis:
    """On disk with each write, as far as the test leaves it its files."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.port = folder, free_port()
        self._running = ExitStack()
        self.client = redis.Redis(port=self.port)

    def start(self) -> None:
        options = ("--appendonly", "yes", "--appendfsync", "always")
        self._running.enter_context(redis_server(self._folder, *options, port=self.port))

    def kill(self) -> None:
        told: Any = self.client.info("server")
        os.kill(told["process_id"], signal.SIGKILL)
        self.stop()

    def forget(self) -> None:
        shutil.rmtree(self._folder / "appendonlydir")

    def stop(self) -> None:
        self._running.close()

    @contextmanager
    def writes_wait(self) -> Iterator[None]:
        self.client.client_pause(60_000, all=False)
        try:
            yield
        finally:
            self.client.client_unpause()


class Sqlite:
    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def writes_wait(self) -> Iterator[None]:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield


class Shop:
    """An empty project with one view that is pushed to. `name` comes before ids and keys: the shops of all
    stores have one log and one table."""

    def __init__(self, settings: Settings, name: str, store: Redis | Sqlite, log: Path) -> None:
        self.settings, self.name, self.store, self.log = settings, name, store, log
        self._port = free_port()

    @contextmanager
    def served(self, port: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
        with api(port or self._port, self.log) as process:
            yield process

    def ask(self, path: str, body: Any, port: int | None = None) -> tuple[int, Any] | None:
        return send(f"http://127.0.0.1:{port or self._port}", "POST", f"/api/v1/features/{path}", body)

    def push(
        self, push_id: str, values: Mapping[str, float], at: datetime = NOW, port: int | None = None
    ) -> tuple[int, Any] | None:
        records = [
            {"customer_id": key, "event_timestamp": at.isoformat(), "features": {"cart_value": value}}
            for key, value in values.items()
        ]
        body = {"push_source_name": "sessions", "features": records, "push_id": push_id}
        return self.ask("push-features", body, port)

    def online(self, keys: Mapping[str, float]) -> dict[str, float | None]:
        asked = {"entities": {"customer_id": list(keys)}, "features": ["session_features:cart_value"]}
        answer = self.ask("online-features", asked)
        assert answer is not None
        assert answer[0] == 200, answer
        return {key: row["cart_value"] for key, row in answer[1]["features"].items()}

    def waiting(self) -> int:
        return sum(one.rows for one in waiting_rows(self.settings))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Its folder. The view is declared once, for all stores: that takes longest."""
    folder = tmp_path_factory.mktemp("project")
    with empty_project(folder) as settings:
        made = Shop(settings, "none", Sqlite(folder / "none.db"), folder / "api.log")
        with made.served():
            answer = made.ask("apply", {"feature_view": VIEW})
            assert answer is not None
            assert answer[0] == 201, answer
        yield folder


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def shop(request: pytest.FixtureRequest, project: Path) -> Iterator[Shop]:
    with ExitStack() as running:
        environment = running.enter_context(pytest.MonkeyPatch.context())
        if request.param == "redis":
            server = Redis(project)
            server.start()
            running.callback(server.stop)
            store: Redis | Sqlite = server
            environment.setenv("ASGARD_ONLINE_STORE", f"redis://127.0.0.1:{server.port}/0")
        else:
            store = Sqlite(project / "online.db")
            environment.setenv("ASGARD_ONLINE_STORE", f"sqlite:///{project / 'online.db'}")
        made = Shop(Settings.read(), request.param, store, project / f"api-{request.param}.log")
        online_store(made.settings).make(VIEW["name"])
        list(flush_pushes(made.settings, Lakehouse(made.settings), load(made.settings)))
        yield made


def _status(answer: tuple[int, Any] | None) -> int | None:
    return answer and answer[0]


def test_a_push_whose_server_is_killed_between_the_log_and_the_store_is_online_after_its_next_start(
    shop: Shop,
) -> None:
    push_id = f"{shop.name}-killed"
    values = {f"{push_id}:{number}": float(number) for number in range(MANY)}
    before = shop.waiting()
    with shop.served() as process, ThreadPoolExecutor() as pool, shop.store.writes_wait():
        asked = pool.submit(shop.push, push_id, values)
        until(lambda: bool(known_pushes(shop.settings, [push_id])), 30)
        assert set(shop.online(values).values()) == {None}
        process.kill()
        assert asked.result(60) is None
    with shop.served():
        until(lambda: shop.online(values) == values, 30, shop.log.read_text)
        again = shop.push(push_id, values)
    assert again is not None
    assert (again[0], again[1]["accepted"]) == (200, MANY)
    assert shop.waiting() == before + MANY


def test_two_servers_that_are_pushed_the_same_keys_at_once_leave_the_newest_row(shop: Shop) -> None:
    """The newest by event time, and of equal ones the last acknowledged: online as in the table."""
    ports, name = [free_port(), free_port()], f"{shop.name}-both"
    with ExitStack() as running, ThreadPoolExecutor(8) as pool:
        list(pool.map(running.enter_context, [shop.served(port) for port in ports]))

        def push(number: int) -> int | None:
            draw = random.Random(number)
            at = NOW + timedelta(seconds=draw.randrange(-20, 0))
            values = {f"{name}:{draw.randrange(5)}": float(number)}
            return _status(shop.push(f"{name}-{number}", values, at, ports[number % 2]))

        assert set(pool.map(push, range(200))) == {200}
        lakehouse = Lakehouse(shop.settings)
        list(flush_pushes(shop.settings, lakehouse, load(shop.settings)))
        rows = lakehouse.read_table(lakehouse.pin("gold.session_features")).to_pylist()
        times = load(shop.settings).view("session_features")
        rows.sort(key=lambda row: (row[times.timestamp], row[times.created_timestamp or times.timestamp]))
        newest = {row["customer_id"]: row["cart_value"] for row in rows}
        both = {key: value for key, value in newest.items() if key.startswith(name)}
        asked = {"entities": {"customer_id": sorted(both)}, "features": ["session_features:cart_value"]}
        for port in ports:
            answer = shop.ask("online-features", asked, port)
            assert answer is not None
            assert {key: row["cart_value"] for key, row in answer[1]["features"].items()} == both


def test_a_full_disk_refuses_pushes_and_shows_nothing_of_them(shop: Shop) -> None:
    """The disk's end is played by a limit on the size of the server's files: with Redis those of the log."""
    if not isinstance(shop.store, Redis):
        pytest.skip("SQLite's own file would be limited too")
    sent: dict[str, dict[str, float]] = {}
    with shop.served() as process:
        assert _status(shop.push("before", {"before": 1.0})) == 200
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
        answer: tuple[int, Any] | None = (200, None)
        while _status(answer) == 200:
            assert len(sent) < 1000
            values = {f"full{len(sent)}:{place}": float(place) for place in range(MANY)}
            sent[f"full{len(sent)}"] = values
            answer = shop.push(list(sent)[-1], values)
        assert answer is not None
        assert (answer[0], answer[1]["error"]["code"]) == (503, "BACKEND_UNAVAILABLE")
        refused = sent.popitem()
        for values in sent.values():
            assert shop.online(values) == values
        assert set(shop.online(refused[1]).values()) == {None}
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert _status(shop.push(*refused)) == 200
        assert shop.online(refused[1]) == refused[1]


def test_pushes_while_redis_dies_and_comes_again_with_its_data_and_without(shop: Shop) -> None:
    if not isinstance(shop.store, Redis):
        pytest.skip("SQLite is no server")
    pushed: dict[str, dict[str, float]] = {}
    answers: dict[str, tuple[int, Any] | None] = {}
    stop = threading.Event()

    def keep_pushing() -> None:
        while not stop.is_set():
            name = f"redis{len(pushed)}"
            rows = MANY if len(pushed) % 10 == 0 else 1
            pushed[name] = {f"{name}:{place}": float(len(pushed)) for place in range(rows)}
            answers[name] = shop.push(name, pushed[name])
            time.sleep(0.01)

    before = shop.waiting()
    with shop.served(), ThreadPoolExecutor() as pool:
        pushing = pool.submit(keep_pushing)
        for _ in range(3):
            time.sleep(0.4)
            shop.store.kill()
            time.sleep(0.2)
            shop.store.start()
        time.sleep(0.4)
        stop.set()
        pushing.result(60)
        refused = [name for name in pushed if _status(answers[name]) != 200]
        told = {(answer[0], answer[1]["error"]["code"]) for name in refused if (answer := answers[name])}
        assert told == {(503, "BACKEND_UNAVAILABLE")}
        assert len(refused) < len(pushed)
        assert _status(answers[list(pushed)[-1]]) == 200
        for name in refused:
            assert _status(shop.push(name, pushed[name])) == 200
        wanted = {key: value for values in pushed.values() for key, value in values.items()}
        assert shop.online(wanted) == wanted
        assert _status(shop.push("older", {"redis0:0": -1.0}, NOW - timedelta(hours=1))) == 200
        assert shop.online({"redis0:0": 0.0}) == {"redis0:0": 0.0 + wanted["redis0:0"]}
        shop.store.kill()
        shop.store.forget()
    assert shop.waiting() == before + len(wanted) + 1
    with shop.served():  # before Redis, which has nothing
        shop.store.start()
        until(lambda: shop.online(wanted) == wanted, 60, shop.log.read_text)
