"""The first materialization of a view, whole, beside Feast's in the same place; and the writers alone."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from benchmarks.child import Work
from benchmarks.measure import Contender, Measured, in_turns
from benchmarks.online_world import places, redis_server, source
from benchmarks.online_writes import feast_materialize, feast_writer, lake, ours, ours_writer

_KEYS, _MOST_RUNS = 1_000_000, 3


@dataclass
class Whole:
    keys: int
    writes: dict[str, dict[str, Measured]] = field(default_factory=dict)
    """By store."""
    server: dict[str, list[float]] = field(default_factory=dict)
    """CPU seconds of Redis itself, by contender."""


def measure(root: Path, scale: float, runs: int, told: Callable[[str], None]) -> Whole:
    found = Whole(max(2_000, int(_KEYS * scale)))
    rows = source(root, found.keys)
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        home = lake(root, rows)
        with redis_server() as (port, process):
            for name, (url, feast) in places(port, folder).items():
                works = {
                    "ours": partial(ours, url, rows, home),
                    "feast": partial(feast_materialize, feast, rows),
                    "ours, writer": partial(ours_writer, url, rows),
                    "feast, writer": partial(feast_writer, feast, rows, {}),
                }
                if name == "Redis":
                    works["feast, writer, skip_dedup"] = partial(
                        feast_writer, feast, rows, {"skip_dedup": True}
                    )
                found.writes[name] = _write(found, name, works, min(runs, _MOST_RUNS), process, told)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _write(
    found: Whole,
    name: str,
    works: Mapping[str, Callable[[], Work]],
    runs: int,
    process: int,
    told: Callable[[str], None],
) -> dict[str, Measured]:
    """In turns; of Redis, what it took itself for each."""
    results = {who: Measured() for who in works}
    for turn in range(runs):
        for who, work in works.items():
            before = _cpu(process)
            told(f"materializing to {name}: {who}, run {turn + 1} of {runs}")
            one = in_turns({who: Contender(work, 1)}, _quiet, "spawn")[who]
            results[who].outcomes += one.outcomes
            results[who].failure = results[who].failure or one.failure
            if name == "Redis":
                found.server.setdefault(who, []).append(_cpu(process) - before)
    return results


def _quiet(text: str) -> None:
    """One contender's only run is told about before."""


def _cpu(process: int) -> float:
    times: Any = psutil.Process(process).cpu_times()
    return float(times.user + times.system)
