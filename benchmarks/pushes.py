"""Pushes in process: ours, Feast's own, and the bare wire and disk, in turns in one process."""

from __future__ import annotations

import gc
import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bare_pushes import Ready, carried_to_redis, carried_to_sqlite, two_round_trips
from benchmarks.child import Failure, Work
from benchmarks.measure import once
from benchmarks.online_world import AT, FEATURES, KEY, PROJECT, VIEW, declarations, places, redis_server

SIZES = (1, 1000)
_SAMPLES = {1: 600, 1000: 30}
_TOGETHER = {1: 20, 1000: 1}
"""Of a turn: a small push right after another contender's mostly waits for its own code to come back to the
processor's caches."""
_KEYS, _SOURCE = 100_000, "rows"
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
Rows = list[dict[str, Any]]


@dataclass
class Pushed:
    medians: dict[tuple[str, int], dict[str, float]] = field(default_factory=dict)
    """By store and rows a push: of each contender, in seconds."""


def measure(root: Path, scale: float, runs: int, told: Callable[[str], None]) -> Pushed:
    found = Pushed()
    root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        with redis_server() as (port, _):
            for name, (url, feast) in places(port, folder).items():
                told(f"pushes to {name}")
                if (
                    "path" in feast
                ):  # in a file of its own: in ours it would find our settings, and sync our rows
                    feast = feast | {"path": str(folder / "feast.db")}
                given = once(partial(Work, partial(_in_turns, url, feast, folder, min(scale, 1.0))), "spawn")
                if isinstance(given, Failure):
                    raise RuntimeError(f"pushes to {name}: {given.reason}")
                medians = json.loads((folder / "pushes.json").read_text())
                found.medians |= {(name, int(size)): by for size, by in medians.items()}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _in_turns(url: str, online_store: dict[str, Any], folder: Path, scale: float) -> None:
    ours, feast, view = _ours(url, folder), _feast(online_store, folder), declarations().views[0]
    contenders: dict[str, Ready] = {
        "ours": lambda rows: partial(ours, rows),
        "feast": lambda rows: partial(feast, rows),
    }
    if url.startswith("redis"):
        contenders["floor"] = two_round_trips(url, folder)
        contenders["carried"] = carried_to_redis(url, folder, view)
    else:
        contenders["carried"] = carried_to_sqlite(folder, view)
    medians: dict[int, dict[str, float]] = {}
    made = _Made()
    for size in SIZES:
        took: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(max(5, int(_SAMPLES[size] * scale) // _TOGETHER[size])):
            gc.collect(0)
            for name, ready in contenders.items():
                for _ in range(_TOGETHER[size]):
                    push = ready(made.rows(size))
                    began = time.perf_counter()
                    push()
                    took[name].append(time.perf_counter() - began)
        medians[size] = {name: median(times[2:]) for name, times in took.items()}
    (folder / "pushes.json").write_text(json.dumps(medians))


class _Made:
    """Rows as a sender has them: plain values, each push later than the one before."""

    def __init__(self) -> None:
        self._random = random.Random(11)  # noqa: S311 (nothing is secret here)
        self._pushes = 0

    def rows(self, count: int) -> Rows:
        self._pushes += 1
        at = (_FIRST + timedelta(seconds=self._pushes)).isoformat()
        return [{KEY: self._random.randrange(_KEYS), AT: at, **self._features()} for _ in range(count)]

    def _features(self) -> dict[str, Any]:
        values: dict[str, Callable[[], Any]] = {
            "float64": self._random.random,
            "int64": lambda: self._random.randrange(1_000_000),
            "string": lambda: f"segment {self._random.randrange(1000)}",
            "bool": lambda: self._random.random() < 0.3,
        }
        return {name: values[dtype]() for name, dtype in FEATURES.items()}


def _ours(url: str, folder: Path) -> Callable[[Rows], Any]:
    from asgard_pipelines.features import Pushes
    from asgard_pipelines.features.online import online_store
    from asgard_pipelines.settings import Settings

    settings = Settings(online_store=url, home=folder / f"home_{url.partition(':')[0]}")
    pushes = Pushes(settings, online_store(settings, PROJECT))
    declared = declarations()
    view = declared.views[0].model_copy(update={"push_source": _SOURCE})
    declared = declared.model_copy(update={"views": [view]})

    def push(rows: Rows) -> Any:
        records = [
            {KEY: row[KEY], AT: row[AT], "features": {name: row[name] for name in FEATURES}} for row in rows
        ]
        return pushes.push(declared, _SOURCE, records)

    return push


def _feast(online_store: dict[str, Any], folder: Path) -> Callable[[Rows], Any]:
    """Online only: its offline write would come on top, and nothing of it is durable."""
    import pandas as pd
    from feast import (
        Entity,
        FeatureStore,
        FeatureView,
        Field,
        FileSource,
        PushSource,
        RepoConfig,
        ValueType,
        types,
    )
    from feast.data_source import PushMode

    kinds = {"float64": types.Float64, "int64": types.Int64, "string": types.String, "bool": types.Bool}
    store = FeatureStore(
        config=RepoConfig(
            project=f"{PROJECT}_feast",
            provider="local",
            registry={"path": str(folder / f"pushes_{online_store['type']}.db"), "cache_ttl_seconds": 3600},
            online_store=online_store,
            offline_store={"type": "duckdb"},
            entity_key_serialization_version=3,
            repo_path=folder,
        )
    )
    customer = Entity(name="customer", join_keys=[KEY], value_type=ValueType.INT64)
    batch = FileSource(name="batch", path=str(folder / "never_read.parquet"), timestamp_field=AT)
    view = FeatureView(
        name=VIEW,
        entities=[customer],
        schema=[
            Field(name=KEY, dtype=types.Int64),
            *(Field(name=n, dtype=kinds[d]) for n, d in FEATURES.items()),
        ],
        source=PushSource(name=_SOURCE, batch_source=batch),
    )
    import pyarrow as pa
    import pyarrow.parquet as pq

    one = _Made().rows(1)
    pq.write_table(
        pa.Table.from_pylist([row | {AT: datetime.fromisoformat(row[AT])} for row in one]),
        folder / "never_read.parquet",
    )
    store.apply([customer, view])

    def push(rows: Rows) -> None:
        frame = pd.DataFrame(rows)
        frame[AT] = pd.to_datetime(frame[AT])
        store.push(_SOURCE, frame, to=PushMode.ONLINE)

    return push
