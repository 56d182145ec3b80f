"""Pushes over HTTP, by many senders at once: ours, and stock Feast's feature server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from benchmarks.http_clients import load, request
from benchmarks.online_http import FEATURES, KEY, KEYS, InTurns, bring_online, serving, world
from benchmarks.online_world import redis_server

_SOURCE, _SECONDS = "bench_pushes", 4.0
_REQUESTS = {1: 500, 1000: 20}
"""Different ones, by the rows of each."""


class Case(NamedTuple):
    store: str
    rows: int
    senders: int


CASES = [Case(store, *of) for store in ("SQLite", "Redis") for of in ((1, 8), (1, 32), (1000, 8))]


@dataclass
class Pushed(InTurns):
    """Of one server in one case: of each turn, in seconds, the median of what a sender waited, and the time
    that each push took of all."""

    waited: list[float] = field(default_factory=list)
    each: list[float] = field(default_factory=list)
    failed: int = 0


PushesHttp: TypeAlias = Mapping[tuple[str, Case], Pushed]


def measure(root: Path, scale: float, runs: int, told: Callable[[str], None]) -> PushesHttp:
    """All servers run the whole time, Feast's each with an online store of its own: in ours it would find our
    settings and wait for the disk as we do."""
    home = root / "pushes_http"
    told("pushes_http: laying the tables")
    token = world(home, _SOURCE)
    measured = {(name, case): Pushed() for name in ("asgard", "feast") for case in CASES}
    with ExitStack() as stack:
        port, _ = stack.enter_context(redis_server())
        redis = f"redis://127.0.0.1:{port}"
        bring_online(f"{redis}/0")
        stores = {"SQLite": (None, str(home / "feast.db")), "Redis": (f"{redis}/0", f"{redis}/1")}
        servers = {
            (name, store): stack.enter_context(serving(name, ours, own if name == "feast" else None))[0]
            for store, (ours, own) in stores.items()
            for name in ("asgard", "feast")
        }
        for turn in range(runs + 1):  # the first warms up
            for case in CASES:
                for name in ("asgard", "feast"):
                    told(f"pushes_http: {name}, {shown(case)}, turn {turn}")
                    address = servers[name, case.store]
                    asked = [request(address, *_sent(name, rows), token) for rows in _made(case.rows)]
                    found = load(address, asked, case.senders, _SECONDS * scale if turn else 0.5)
                    if turn:
                        measured[name, case].waited.append(found.percentile(0.5))
                        measured[name, case].each.append(found.each)
                    measured[name, case].failed += found.failed
    return measured


def shown(case: Case) -> str:
    return f"{case.store}, {case.rows:,} rows × 20 features, {case.senders} senders"


def _made(count: int) -> list[dict[str, list[Any]]]:
    """Columns of as many pushes as are told apart, of one instant: whichever comes last lands."""
    random, now = np.random.default_rng(3), datetime.now(UTC).isoformat()
    return [
        {KEY: random.integers(0, KEYS, count).tolist(), "at": [now] * count}
        | {name: random.normal(0, 1, count).tolist() for name in FEATURES}
        for _ in range(_REQUESTS[count])
    ]


def _sent(name: str, columns: Mapping[str, Sequence[Any]]) -> tuple[str, bytes]:
    """Path and body as this server takes them."""
    if name == "feast":
        return "/push", json.dumps({"push_source_name": _SOURCE, "df": columns, "to": "online"}).encode()
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    records = [
        {KEY: row[KEY], "event_timestamp": row["at"], "features": {name: row[name] for name in FEATURES}}
        for row in rows
    ]
    body = {"push_source_name": _SOURCE, "features": records}
    return "/api/v1/features/push-features", json.dumps(body).encode()
