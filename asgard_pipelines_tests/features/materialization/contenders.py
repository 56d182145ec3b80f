"""The same orders online twice: by stock Feast (its file and SQLite stores), and by us."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Int64

from asgard_pipelines.settings import Settings
from asgard_pipelines.state import materializations
from asgard_pipelines_tests.features.materialization.world import TABLE, World

Row = dict[str, Any]


class Contender(Protocol):
    """`rows` replace all there were. Windows include both ends."""

    def put(self, rows: Sequence[Row]) -> None: ...

    def catch_up(self, now: datetime) -> None: ...

    def windows(self, spans: Sequence[tuple[datetime, datetime]], *, at_once: bool = False) -> None: ...

    def recorded(self) -> int:
        """How many windows are on record."""

    def amount(self, customer: int, now: datetime) -> int | None: ...


class Stock:
    """Nothing of ours. Its reads are as of the clock, whatever `now` is."""

    def __init__(self, folder: Path, ttl: timedelta) -> None:
        self._folder = folder
        folder.mkdir()
        customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
        self._view = FeatureView(
            name="orders",
            entities=[customer],
            schema=[Field(name="customer_id", dtype=Int64), Field(name="amount", dtype=Int64)],
            source=FileSource(path=str(folder / "orders.parquet"), timestamp_field="at"),
            ttl=ttl,
        )
        self._customer = customer
        self._applied = False

    def put(self, rows: Sequence[Row]) -> None:
        table = World.numbered(rows).rename_columns(
            {"n": "n", "customer": "customer_id", "amount": "amount", "city": "city", "at": "at"}
            | {"created": "created"}
        )
        pq.write_table(table, self._folder / "orders.parquet")
        if not self._applied:
            self._store().apply([self._customer, self._view])
            self._applied = True

    def catch_up(self, now: datetime) -> None:
        self._store().materialize_incremental(end_date=now)

    def windows(self, spans: Sequence[tuple[datetime, datetime]], *, at_once: bool = False) -> None:
        """At once means by as many processes: in threads its dask now and then waits for itself for ever."""
        if not at_once:
            for span in spans:
                self._store().materialize(*span)
            return
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["feast.infra.offline_stores.dask", "feast.infra.registry.sql"])
        with context.Pool(len(spans)) as pool:
            pool.starmap(_materialize, [(self._folder, *span) for span in spans], chunksize=1)

    def recorded(self) -> int:
        return len(self._store().get_feature_view("orders").materialization_intervals)

    def amount(self, customer: int, now: datetime) -> int | None:
        asked = [{"customer_id": customer}]
        answer = self._store().get_online_features(features=["orders:amount"], entity_rows=asked).to_dict()
        found: int | None = answer["amount"][0]
        return found

    def _store(self) -> FeatureStore:
        return _feast_store(self._folder)


def _feast_store(folder: Path) -> FeatureStore:
    return FeatureStore(
        config=RepoConfig(
            project="shop",
            provider="local",
            registry={"registry_type": "sql", "path": f"sqlite:///{folder / 'registry.db'}"},
            offline_store={"type": "file"},
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            entity_key_serialization_version=3,
            repo_path=folder,
        )
    )


def _materialize(folder: Path, start: datetime, end: datetime) -> None:
    """In a process of its own, whose words go nowhere."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        _feast_store(folder).materialize(start, end)


class Ours:
    def __init__(self, folder: Path, ttl: timedelta) -> None:
        self._world = World(Settings(home=folder))
        self._world.declare(ttl=ttl, created_timestamp=None)

    def put(self, rows: Sequence[Row]) -> None:
        self._world.commits += 1
        self._world.lakehouse.overwrite(TABLE, World.numbered(rows), key=f"commit {self._world.commits}")

    def catch_up(self, now: datetime) -> None:
        self._world.materialize(as_of=now)

    def windows(self, spans: Sequence[tuple[datetime, datetime]], *, at_once: bool = False) -> None:
        def one(span: tuple[datetime, datetime]) -> None:
            self._world.materialize(as_of=datetime.now(UTC), window=span)

        with ThreadPoolExecutor(len(spans) if at_once else 1) as pool:
            list(pool.map(one, spans))

    def recorded(self) -> int:
        runs = materializations(self._world.settings, view="orders")
        return sum(run.kind == "window" and run.status == "completed" for run in runs)

    def amount(self, customer: int, now: datetime) -> int | None:
        return self._world.amounts(customer, as_of=now)[0]
