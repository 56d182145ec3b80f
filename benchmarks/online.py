"""The online stores: reads in process, and materialization, beside Feast's own in the same place."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from benchmarks.child import Failure, Work
from benchmarks.measure import Contender, Measured, in_turns, once
from benchmarks.online_reads import SAMPLES, read_in_turns
from benchmarks.online_world import places, redis_server, source
from benchmarks.online_writes import feast_materialize, feast_writer, lake, ours, ours_writer

_KEYS, _READ_KEYS = 1_000_000, 20_000


@dataclass
class Online:
    keys: int
    reads: dict[tuple[str, int], dict[str, float]] = field(default_factory=dict)
    """By store and keys a read: of each contender the median, in seconds."""
    failures: dict[str, str] = field(default_factory=dict)
    """What Feast has for reads and could not be read, and why."""
    writes: dict[str, dict[str, Measured]] = field(default_factory=dict)
    """By store."""
    server: dict[str, list[float]] = field(default_factory=dict)
    """CPU seconds of Redis itself, by contender."""


def measure(root: Path, scale: float, runs: int, told: Callable[[str], None]) -> Online:
    keys = max(2_000, int(_KEYS * scale))
    found = Online(keys)
    few, many = source(root, min(keys, _READ_KEYS)), source(root, keys)
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        home = lake(root, many)
        with redis_server() as (port, process):
            for name, (url, feast) in places(port, folder).items():
                told(f"reads from {name}")
                _read(found, name, partial(read_in_turns, url, feast, few, folder, _samples(scale)), folder)
            for name, (url, feast) in places(port, folder).items():
                works = {
                    "ours": partial(ours, url, many, home),
                    "feast": partial(feast_materialize, feast, many),
                    "ours, writer": partial(ours_writer, url, many),
                    "feast, writer": partial(feast_writer, feast, many, {}),
                }
                if name == "Redis":
                    works["feast, writer, skip_dedup"] = partial(
                        feast_writer, feast, many, {"skip_dedup": True}
                    )
                found.writes[name] = _write(found, name, works, min(runs, 3), process, told)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _samples(scale: float) -> int:
    return SAMPLES if scale >= 1 else SAMPLES // 10


def _read(found: Online, name: str, asked: Callable[[], None], folder: Path) -> None:
    given = once(partial(Work, asked), "spawn")
    if isinstance(given, Failure):
        raise RuntimeError(f"reads from {name}: {given.reason}")
    told = json.loads((folder / "reads.json").read_text())
    found.reads |= {(name, int(size)): medians for size, medians in told["medians"].items()}
    found.failures |= {f"{name}, {who}": why for who, why in told["failures"].items()}


def _write(
    found: Online,
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
