"""The second materialization of a view whose table changed in 2 % of its files: by us, and by stock Feast.

A table of 50 files, each of keys of its own. Of one file the values are restated at their own event times:
stock Feast, which knows nothing but event times, gets them online only by materializing the whole table
again. Then another file is written anew with new event times, which stock Feast finds as well. All write to a
SQLite file, and the new event times to Redis as well, which hold nothing before: what is measured is finding,
reading and writing.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from benchmarks.child import Work
from benchmarks.measure import Contender, Measured, in_turns
from benchmarks.online_world import places, redis_server
from benchmarks.online_writes import emptied

if TYPE_CHECKING:
    from asgard_pipelines.declarations import Declarations
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.settings import Settings

FILES, FEATURES, KEYS = 50, 20, 1_000_000
RESTATED, NEWER, NEWER_IN_REDIS = "restated", "newer", "newer in Redis"
_TABLE, _KEY = "gold.stats", "customer_id"
_THEN = datetime(2026, 1, 1)
_NOW = datetime(2026, 3, 1, tzinfo=UTC)
_TTL = timedelta(days=30)
_CHANGED_FILES = 2
"""The one that is new, and the one whose place it took."""
_VERSION = 2


@dataclass(frozen=True)
class Materialized:
    """By change (RESTATED, NEWER, NEWER_IN_REDIS) and contender. `bytes` is what its process read, by the
    kernel's count."""

    keys: int
    changed: int
    measured: dict[str, Measured]
    bytes: dict[str, int]


def measure(data: Path, scale: float, runs: int, told: Callable[[str], None]) -> Materialized:
    home = data / f"materialization-{scale:g}-{_VERSION}"
    per_file = int(KEYS * scale) // FILES
    if not home.exists():
        told("the table of the materialization")
        _generate(home, per_file)
    folder = Path(tempfile.mkdtemp())
    with redis_server() as (port, _):
        stores = places(port, folder)
        (sqlite, sqlite_feast), (redis, redis_feast) = stores["SQLite"], stores["Redis"]
        whole, newest = _THEN.replace(tzinfo=UTC), _NOW - _TTL
        prepared = {
            f"{RESTATED}, ours": partial(_ours, home, per_file, str(FILES - 1), RESTATED, sqlite),
            f"{RESTATED}, feast": partial(_feast, home, per_file * FILES, whole, sqlite, sqlite_feast),
            f"{NEWER}, ours": partial(_ours, home, per_file, RESTATED, NEWER, sqlite),
            f"{NEWER}, feast": partial(_feast, home, per_file, newest, sqlite, sqlite_feast),
            f"{NEWER_IN_REDIS}, ours": partial(_ours, home, per_file, RESTATED, NEWER, redis),
            f"{NEWER_IN_REDIS}, feast": partial(_feast, home, per_file, newest, redis, redis_feast),
        }
        # The whole table takes stock Feast minutes: once is enough
        once = {f"{RESTATED}, feast"}
        contenders = {name: Contender(make, 1 if name in once else runs) for name, make in prepared.items()}
        measured = in_turns(contenders, told, "spawn")
        read = {name: _bytes_read(make) for name, make in prepared.items() if name not in once}
    shutil.rmtree(folder)
    return Materialized(per_file * FILES, per_file, measured, read)


def _generate(home: Path, per_file: int) -> None:
    making = home.with_name(f"{home.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    settings = _settings(making)
    lakehouse = _lakehouse(settings)
    for number in range(FILES):
        rows = _rows(range(number * per_file, (number + 1) * per_file), _THEN + timedelta(hours=number), 1)
        lakehouse.append(_TABLE, rows, key=str(number))
    from asgard_pipelines.lakehouse import Between

    changes = {RESTATED: _THEN + timedelta(hours=7), NEWER: _NOW.replace(tzinfo=None) - timedelta(days=1)}
    for number, (change, at) in enumerate(changes.items()):
        keys = range((7 + number) * per_file, (8 + number) * per_file)
        rows = _rows(keys, at, 2)
        lakehouse.overwrite(_TABLE, rows, where=[Between(_KEY, keys[0], keys[-1])], key=change)
    # Absolute paths stand in the metadata: what was made there is moved as a link
    home.symlink_to(making.name)


def _rows(keys: range, at: datetime, seed: int) -> pa.Table:
    random = np.random.default_rng((seed, keys[0]))
    times = np.datetime64(at, "us") + np.arange(len(keys)) * np.timedelta64(1, "ms")
    columns = {_KEY: pa.array(np.arange(keys[0], keys[-1] + 1)), "at": pa.array(times)}
    for number in range(FEATURES):
        whole = random.integers(0, 1_000_000, len(keys))
        columns[f"f{number:02}"] = pa.array(whole if number % 2 else whole / 1000)
    return pa.table(columns)


def _settings(home: Path, online: str | None = None) -> Settings:
    from asgard_pipelines.settings import Settings

    return Settings(home=home, online_store=online)


def _lakehouse(settings: Settings) -> Lakehouse:
    from asgard_pipelines.lakehouse import Lakehouse

    return Lakehouse(settings)


def _declarations() -> Declarations:
    from asgard_pipelines.declarations import Declarations, Entity, Feature, FeatureView, Where

    where = Where(file="benchmark.py", line=1)
    names = {f"f{number:02}": "int64" if number % 2 else "float64" for number in range(FEATURES)}
    view = FeatureView(
        name="stats",
        where=where,
        entities=["customer"],
        join_keys={_KEY: _KEY},
        features=[Feature(name=name, dtype=dtype, column=name) for name, dtype in names.items()],
        table=_TABLE,
        timestamp="at",
        ttl=_TTL,
        online=True,
    )
    customer = Entity(name="customer", where=where, join_key=_KEY, dtype="int64")
    return Declarations(project="bench", entities=[customer], views=[view])


def _ours(home: Path, changed: int, since: str, until: str, online: str) -> Work:
    """From one commit to another: the ledger says that the store was brought to the first."""
    import duckdb  # noqa: F401  # as with Feast, what is imported is not measured
    import pyiceberg.io.pyarrow  # noqa: F401

    from asgard_pipelines.features.materialization import materialize
    from asgard_pipelines.features.materialization.view_rows import ViewRows
    from asgard_pipelines.features.online import online_store
    from asgard_pipelines.state import Figures, Materialization, begin_materialization, finish_materialization

    emptied(online)
    settings = _settings(home.resolve(), online)
    state = Path(tempfile.mkdtemp()) / "state.db"
    settings = settings.model_copy(update={"state_url": f"sqlite:///{state}"})
    lakehouse, declarations = _lakehouse(settings), _declarations()
    view = declarations.view("stats")
    rows = ViewRows.of(declarations, view, settings.thread_count)
    store = online_store(settings, declarations.project)
    before, after = lakehouse.find(_TABLE, since), lakehouse.find(_TABLE, until)
    assert before is not None  # `_generate` made both
    assert after is not None
    first = Materialization(
        run_id="first",
        view=view.name,
        store=store.identity(view.name),
        fingerprint=rows.fingerprint,
        table_name=_TABLE,
        read_as=rows.read_as,
        kind="whole",
        from_snapshot=None,
        to_snapshot=before.snapshot_id,
        as_of=_NOW,
        started=_NOW,
    )
    begin_materialization(settings, first)
    finish_materialization(settings, first, Figures())

    def run() -> tuple[int, int]:
        done = materialize(settings, lakehouse, declarations, view, after, as_of=_NOW)
        return done.written, done.files_read

    return Work(run, lambda done: 0 if done == (changed, _CHANGED_FILES) else 1)


def _feast(home: Path, changed: int, start: datetime, online: str, online_store: dict[str, Any]) -> Work:
    """Stock DuckDB store over the Iceberg table, stock online store; the window from `start` on."""
    from feast import Entity, FeatureStore, FeatureView, Field, RepoConfig, ValueType
    from feast.infra.data_sources.contrib.iceberg_catalog import IcebergSource
    from feast.types import Float64, Int64

    emptied(online)
    folder = Path(tempfile.mkdtemp())
    properties = _settings(home.resolve()).catalog_properties
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(folder / "registry.db"),
            offline_store={"type": "duckdb"},
            online_store=online_store,
            entity_key_serialization_version=3,
            repo_path=folder,
        )
    )
    customer = Entity(name="customer", join_keys=[_KEY], value_type=ValueType.INT64)
    source = IcebergSource(
        name="stats_source",
        catalog_type="sql",
        catalog_name="iceberg",
        catalog_properties=properties,
        warehouse=properties["warehouse"],
        namespace="gold",
        table="stats",
        timestamp_field="at",
    )
    fields = [Field(name=f"f{n:02}", dtype=Int64 if n % 2 else Float64) for n in range(FEATURES)]
    schema = [Field(name=_KEY, dtype=Int64), *fields]
    view = FeatureView(name="stats", entities=[customer], schema=schema, source=source, ttl=_TTL)
    store.apply([customer, view])

    def run() -> int:
        store.materialize(start, _NOW)
        return _count(online)

    return Work(run, lambda found: 0 if found == changed else 1)


def _count(online: str) -> int:
    import sqlite3

    import redis

    if online.startswith("redis"):
        return int(redis.Redis.from_url(online).dbsize())  # type: ignore[arg-type]  # not awaited here
    with sqlite3.connect(online.removeprefix("sqlite:///")) as db:
        return int(db.execute("SELECT count(*) FROM bench_stats WHERE feature_name = 'f00'").fetchone()[0])


def _bytes_read(prepare: Callable[[], Work]) -> int:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_tell_bytes, args=(prepare, there))
    process.start()
    read: int = here.recv()
    process.join()
    return read


def _tell_bytes(prepare: Callable[[], Work], answer: object) -> None:
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    work = prepare()
    before = _read_so_far()
    work.run()
    answer.send(_read_so_far() - before)  # type: ignore[attr-defined]  # a Connection


def _read_so_far() -> int:
    told = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(told["rchar"])
