"""What the online benchmark stores and reads: one view of twenty features, in Asgard's words and in
Feast's."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from asgard_pipelines.declarations import Declarations, Entity, Feature, FeatureRef, FeatureView, Where

PROJECT, VIEW, KEY, AT = "bench", "customers", "customer_id", "event_timestamp"
DTYPES = ["float64"] * 9 + ["int64"] * 6 + ["string"] * 3 + ["bool"] * 2
FEATURES = {f"f{number}": dtype for number, dtype in enumerate(DTYPES)}
_NULLS = {"f0": 0.1, "f9": 0.1, "f15": 0.1}
"""The share of nulls in some columns."""
_BATCH = 65_536


def declarations() -> Declarations:
    where = Where(file="repo.py")
    view = FeatureView(
        name=VIEW,
        entities=["customer"],
        join_keys={KEY: KEY},
        features=[Feature(name=name, dtype=dtype, column=name) for name, dtype in FEATURES.items()],
        table=f"gold.{VIEW}",
        timestamp=AT,
        ttl=timedelta(days=36_500),
        online=True,
        where=where,
    )
    entity = Entity(name="customer", join_key=KEY, dtype="int64", where=where)
    return Declarations(project=PROJECT, entities=[entity], views=[view])


def references() -> list[FeatureRef]:
    return [FeatureRef(view=VIEW, feature=name, dtype=dtype) for name, dtype in FEATURES.items()]


def source(folder: Path, keys: int) -> Path:
    """A Parquet file with a row for each key, in no order."""
    path = folder / "online" / f"{keys}.parquet"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    order = random.permutation(keys)
    unfinished = path.with_suffix(".part")
    with pq.ParquetWriter(unfinished, _rows(order[:1], random).schema) as writer:
        for start in range(0, keys, _BATCH):
            writer.write_table(_rows(order[start : start + _BATCH], random))
    unfinished.rename(path)
    return path


def _rows(keys: Any, random: np.random.Generator) -> pa.Table:
    count = len(keys)
    columns: dict[str, Any] = {KEY: pa.array(keys, pa.int64())}
    for name, dtype in FEATURES.items():
        missing = random.random(count) < _NULLS.get(name, 0)
        if dtype == "float64":
            values: Any = random.normal(100, 30, count)
        elif dtype == "int64":
            values = random.integers(0, 1_000_000, count)
        elif dtype == "string":
            values = np.char.add("segment ", random.integers(0, 1000, count).astype(str))
        else:
            values = random.random(count) < 0.3
        columns[name] = pa.array(values, mask=missing)
    seconds = 1_760_000_000 + random.integers(0, 86_400 * 30, count)
    columns[AT] = pa.array(seconds * 1_000_000 + random.integers(0, 1_000_000, count)).cast(
        pa.timestamp("us")
    )
    return pa.table(columns)


def feast_store(folder: Path, path: Path, online_store: dict[str, Any]) -> Any:
    """Feast's own program over the same rows, its view applied."""
    from feast import (
        Entity,
        FeatureService,
        FeatureStore,
        FeatureView,
        Field,
        FileSource,
        RepoConfig,
        ValueType,
        types,
    )

    kinds = {"float64": types.Float64, "int64": types.Int64, "string": types.String, "bool": types.Bool}
    opened = FeatureStore(
        config=RepoConfig(
            project=PROJECT,
            provider="local",
            registry={"path": str(folder / "registry.db"), "cache_ttl_seconds": 3600},
            online_store=online_store,
            offline_store={"type": "duckdb"},
            entity_key_serialization_version=3,
            repo_path=folder,
        )
    )
    customer = Entity(name="customer", join_keys=[KEY], value_type=ValueType.INT64)
    view = FeatureView(
        name=VIEW,
        entities=[customer],
        schema=[Field(name=name, dtype=kinds[dtype]) for name, dtype in FEATURES.items()],
        source=FileSource(name=f"{VIEW}_source", path=str(path), timestamp_field=AT),
        ttl=timedelta(days=36_500),
    )
    service = FeatureService(name="precomputed", features=[view], precompute_online=True)
    opened.apply([customer, view, service])
    return opened


@contextmanager
def redis_server() -> Iterator[tuple[int, int]]:
    """Its port and process id, if there is a `redis-server` to start."""
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("no redis-server: apt-get install -y redis-server")
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port = asked.getsockname()[1]
    folder = tempfile.mkdtemp()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    with subprocess.Popen([*command, "--daemonize", "no"], stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                with socket.socket() as asked:
                    if asked.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait()
            shutil.rmtree(folder, ignore_errors=True)


def places(port: int, folder: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Each store's address, and the same for Feast's own."""
    path = folder / "online.db"
    return {
        "Redis": (
            f"redis://127.0.0.1:{port}/0",
            {"type": "redis", "connection_string": f"127.0.0.1:{port},db=0"},
        ),
        "SQLite": (f"sqlite:///{path}", {"type": "sqlite", "path": str(path)}),
    }
