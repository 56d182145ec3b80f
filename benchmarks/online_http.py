"""Online features over HTTP: ours, stock Feast's feature server, and an empty route of the same framework."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import NamedTuple, TypeAlias

import numpy as np
import psutil
import pyarrow as pa

from benchmarks.http_clients import load, request
from benchmarks.online_world import redis_server

FEATURES = [f"f{number}" for number in range(20)]
KEYS, _REQUESTS, _SECONDS = 10_000, 500, 4.0
VIEW, KEY, _TABLE = "bench_features", "customer_id", "gold.bench_features"


class Case(NamedTuple):
    keys: int
    clients: int
    store: str = "SQLite"


CASES = [Case(1, 8), Case(1, 32), Case(100, 8), Case(100, 32), Case(1, 8, "Redis"), Case(1, 32, "Redis")]


class InTurns:
    """Of one server in one case: each of its figures in every turn."""

    def median(self, figure: str) -> float:
        turns: list[float] = getattr(self, figure)
        return median(turns)


@dataclass
class Served(InTurns):
    """Of one server in one case: medians over its turns. Seconds."""

    each: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    failed: int = 0


OnlineHttp: TypeAlias = Mapping[tuple[str, Case], Served]


@dataclass(frozen=True)
class Server:
    name: str
    address: str
    process: psutil.Process
    requests: Callable[[int], Sequence[bytes]]
    """By the number of keys."""


def measure(root: Path, scale: float, runs: int, told: Callable[[str], None]) -> OnlineHttp:
    """All servers run the whole time; each is asked in turn, so that a disturbance hits all alike."""
    home = root / "online_http"
    told("online_http: laying the tables")
    token = world(home)
    measured = {(name, case): Served() for name in ("asgard", "feast", "empty") for case in CASES}
    with ExitStack() as stack:
        port, _ = stack.enter_context(redis_server())
        addresses = {"SQLite": None, "Redis": f"redis://127.0.0.1:{port}/0"}
        bring_online(addresses["Redis"])
        floor = _server("empty", stack.enter_context(serving("empty", None)), None)
        servers = {
            store: [
                _server("asgard", stack.enter_context(serving("asgard", address)), token),
                _server("feast", stack.enter_context(serving("feast", address)), None),
                floor,
            ]
            for store, address in addresses.items()
        }
        for turn in range(runs + 1):  # the first warms up
            for case in CASES:
                for server in servers[case.store]:
                    told(f"online_http: {server.name}, {shown(case)}, turn {turn}")
                    seconds = 1.0 if turn == 0 else _SECONDS * scale
                    _ask(server, case, seconds, measured[server.name, case] if turn else Served())
    return measured


def shown(case: Case) -> str:
    more = "" if case.store == "SQLite" else f", {case.store}"
    return f"{case.keys} keys, {case.clients} clients{more}"


def _ask(server: Server, case: Case, seconds: float, into: Served) -> None:
    requests = server.requests(case.keys)
    before = sum(server.process.cpu_times()[:2])
    found = load(server.address, requests, case.clients, seconds)
    cpu = sum(server.process.cpu_times()[:2]) - before
    into.each.append(found.each)
    into.p99.append(found.percentile(0.99))
    into.cpu.append(cpu / len(found.latencies))
    into.failed += found.failed


def world(home: Path, push_source: str | None = None) -> str:
    """10,000 keys with 20 features, online; gives a token. This process and its children live in it then."""
    from asgard_pipelines.declarations import FeatureViewBody
    from asgard_pipelines.features import apply
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.project import Wanted, init, load, put, settle_view
    from asgard_pipelines.settings import Settings
    from asgard_pipelines.state import create_token

    os.environ |= {
        "ASGARD_REPO": str(home / "shop"),
        "ASGARD_HOME": str(home / "home"),
        "ASGARD_AUTH": "on",
        "ASGARD_RATE_LIMIT": "1000000/second",
    }
    settings = Settings.read()
    if not home.exists():
        init(home / "shop", empty=True)
        random, lakehouse = np.random.default_rng(1), Lakehouse(settings)
        now = datetime.now(UTC).replace(tzinfo=None)
        rows = {KEY: np.arange(KEYS), "at": pa.array([now] * KEYS, pa.timestamp("us"))}
        rows |= {name: random.normal(0, 1, KEYS) for name in FEATURES}
        lakehouse.append(_TABLE, pa.table(rows), key="first")
        body = FeatureViewBody.model_validate(
            {
                "name": VIEW,
                "entities": [KEY],
                "features": [{"name": name, "dtype": "float64"} for name in FEATURES],
                "source": {"table_name": _TABLE, "timestamp_field": "at"},
                "ttl_seconds": None,
                "online": True,
            }
        )
        settled = settle_view(body, load(settings), lakehouse)
        wanted = [Wanted("entity", one, {}) for one in settled.entities]
        view = settled.view.model_copy(update={"push_source": push_source})
        put(settings, [*wanted, Wanted("feature_view", view, {"entities": [KEY]})], "bench")
        apply(settings)
        bring_online(None)
    scopes = ["features:read", "features:write"]
    return create_token(settings, f"bench{time.time_ns()}", scopes, timedelta(days=1))


def bring_online(store: str | None) -> None:
    from asgard_pipelines.features.materialization import materialize
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.project import load
    from asgard_pipelines.settings import Settings

    settings = Settings(online_store=store)
    declarations, lakehouse = load(settings), Lakehouse(settings)
    materialize(settings, lakehouse, declarations, declarations.view(VIEW), lakehouse.pin(_TABLE))


@contextmanager
def serving(name: str, store: str | None, own: str | None = None) -> Iterator[tuple[str, psutil.Process]]:
    """The address and process of one of `benchmarks.http_servers`. `own`: Feast's own online store, if it is
    not to be ours."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "benchmarks.http_servers", name, str(port), *([own] if own else [])]
    environment = os.environ | ({"ASGARD_ONLINE_STORE": store} if store else {})
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
    try:
        _until_there(port)
        yield f"http://127.0.0.1:{port}", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


def _server(name: str, served: tuple[str, psutil.Process], token: str | None) -> Server:
    address, process = served
    return Server(name, address, process, _requests(name, address, token))


def _requests(name: str, address: str, token: str | None) -> Callable[[int], Sequence[bytes]]:
    path = {"asgard": "/api/v1/features/online-features", "feast": "/get-online-features", "empty": "/empty"}[
        name
    ]
    random = np.random.default_rng(2)

    def made(keys: int) -> Sequence[bytes]:
        found = []
        for _ in range(_REQUESTS):
            asked = {
                "entities": {KEY: random.integers(0, KEYS, keys).tolist()},
                "features": [f"{VIEW}:{feature}" for feature in FEATURES],
            }
            found.append(request(address, path, json.dumps(asked).encode(), token))
        return found

    return made


def _until_there(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
