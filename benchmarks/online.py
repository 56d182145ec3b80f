"""The online stores: reads in process, and materialization, beside Feast's own in the same place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.child import Failure, Work
from benchmarks.measure import Contender, Measured, in_turns, once
from benchmarks.online_reads import SAMPLES, read_in_turns
from benchmarks.online_world import AT, KEY, VIEW, declarations, feast_store, places, redis_server, source

_KEYS, _READ_KEYS = 1_000_000, 20_000
_BATCH = 65_536
_FEAST_BATCH = 10_000


@dataclass
class Online:
    keys: int
    reads: dict[tuple[str, int], dict[str, float]] = field(default_factory=dict)
    """By store and keys a read: of each contender the median, in seconds."""
    failures: dict[str, str] = field(default_factory=dict)
    writes: dict[str, dict[str, Measured]] = field(default_factory=dict)
    """By store."""
    server_cpu: dict[str, float] = field(default_factory=dict)
    """Of Redis itself, in seconds, by contender."""


def measure(root: Path, scale: float, runs: int, told: Callable[[str], None]) -> Online:
    keys = max(2_000, int(_KEYS * scale))
    found = Online(keys)
    few, many = source(root, min(keys, _READ_KEYS)), source(root, keys)
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        with redis_server() as (port, process):
            for name, (url, feast) in places(port, folder).items():
                told(f"reads from {name}")
                asked = partial(read_in_turns, url, feast, few, folder, SAMPLES if scale >= 1 else SAMPLES // 10)
                given = once(partial(_as_work, asked), "spawn")
                if isinstance(given, Failure):
                    raise RuntimeError(f"reads from {name}: {given.reason}")
                medians, failures = _handed_over(folder)
                found.reads |= {(name, size): values for size, values in medians.items()}
                found.failures |= {f"{name}: {who}": why for who, why in failures.items()}
            for name, (url, feast) in places(port, folder).items():
                contenders = {
                    "ours": partial(ours, url, many),
                    "feast": partial(feast_materialize, feast, many),
                    "feast, batches": partial(feast_writer, feast, many, {}),
                }
                if name == "Redis":
                    contenders["feast, batches, skip_dedup"] = partial(
                        feast_writer, feast, many, {"skip_dedup": True}
                    )
                before = {"cpu": _cpu(process)}
                found.writes[name] = in_turns(
                    {who: Contender(work, min(runs, 3)) for who, work in contenders.items()},
                    partial(_told, told, name, found, before, process if name == "Redis" else None),
                    method="spawn",
                )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _cpu(process: int) -> float:
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


def _as_work(asked: Callable[[], None]) -> Work:
    return Work(asked)


def _handed_over(folder: Path) -> tuple[dict[int, dict[str, float]], dict[str, str]]:
    import json

    told = json.loads((folder / "reads.json").read_text())
    return {int(size): values for size, values in told["medians"].items()}, told["failures"]


def ours(url: str, path: Path) -> Work:
    """Parquet, a batch at a time, into the store: with the guard on."""
    from asgard_pipelines.features.online import online_store
    from asgard_pipelines.settings import Settings

    store, view = online_store(Settings(online_store=url), "bench"), declarations().views[0]
    _emptied(url)

    def run() -> int:
        return sum(store.write(view, batch).written for batch in _batches(path, _BATCH))

    return Work(run, partial(_wrong, url, path))


def feast_materialize(online_store: dict[str, Any], path: Path) -> Work:
    """`materialize` as Feast's documentation has it."""
    from datetime import UTC, datetime

    opened = _opened(online_store, path)
    window = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    return Work(lambda: opened.materialize(*window, disable_event_timestamp=False), partial(_wrong, _url(online_store), path))


def feast_writer(online_store: dict[str, Any], path: Path, options: dict[str, Any]) -> Work:
    """Feast's conversion and its store's writing alone, in batches: the best that can be had of it."""
    from feast.utils import _convert_arrow_to_proto

    opened = _opened(online_store | options, path)
    view = opened.get_feature_view(VIEW)
    keys = {one.name: one.dtype.to_value_type() for one in view.entity_columns}
    provider = opened._get_provider()

    def run() -> None:
        for batch in _batches(path, _FEAST_BATCH):
            rows = _convert_arrow_to_proto(batch, view, keys)
            provider.online_write_batch(opened.config, view, rows, None)

    return Work(run, partial(_wrong, _url(online_store), path))


def _opened(online_store: dict[str, Any], path: Path) -> Any:
    _emptied(_url(online_store))
    return feast_store(Path(tempfile.mkdtemp()), path, online_store)


def _url(online_store: dict[str, Any]) -> str:
    if online_store["type"] == "sqlite":
        return f"sqlite:///{online_store['path']}"
    return f"redis://{online_store['connection_string'].partition(',')[0]}/0"


def _batches(path: Path, size: int) -> Iterator[pa.Table]:
    for batch in pq.ParquetFile(path).iter_batches(size):
        yield pa.Table.from_batches([batch])


def _emptied(url: str) -> None:
    import redis

    if url.startswith("redis"):
        redis.Redis.from_url(url).flushall()
        return
    for ending in ("", "-wal", "-shm", "-journal"):
        Path(url.removeprefix("sqlite:///") + ending).unlink(missing_ok=True)


def _wrong(url: str, path: Path, result: object) -> int:
    """Of the first thousand keys the values that are not as in the file."""
    from asgard_pipelines.features.online import OnlineReads
    from asgard_pipelines.settings import Settings
    from benchmarks.online_world import references

    expected = next(_batches(path, 1000))
    read = OnlineReads(Settings(online_store=url)).prepare(declarations(), references())
    found = read.read({KEY: expected[KEY].to_pylist()})
    wrong = 0
    for name, column in zip(found.names, found.columns, strict=True):
        wrong += sum(one != other for one, other in zip(column, expected[name].to_pylist(), strict=True))
    assert AT in expected.column_names
    return wrong
