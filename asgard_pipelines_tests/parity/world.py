"""A house with one view that is pushed to and one that is landed, and what may happen to both."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pyarrow as pa

from asgard_pipelines.declarations import FeatureRef
from asgard_pipelines.features import OnlineReads, Pushes, apply, flush_pushes, historical_features
from asgard_pipelines.features.materialization import materialize
from asgard_pipelines.features.online import online_store
from asgard_pipelines.lakehouse import Lakehouse, OneOf
from asgard_pipelines.project import load
from asgard_pipelines.settings import Settings

REPO = """
from datetime import timedelta

from feast import Entity, FeatureView, Field, Project, PushSource, ValueType
from feast.types import Float64, Int64, String

from asgard_pipelines.features import gold

project = Project(name="shop", description="")
customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
types = {"count": Int64, "total": Float64, "kind": String}
fields = [Field(name=name, dtype=dtype) for name, dtype in types.items()]
visits = FeatureView(
    name="visits",
    entities=[customer],
    schema=fields,
    source=PushSource(
        name="visits", batch_source=gold("visits", timestamp_field="at", created_timestamp_column="made")
    ),
    online=True,
)
profile = FeatureView(
    name="profile",
    entities=[customer],
    schema=fields,
    source=gold("profile", timestamp_field="at"),
    ttl=timedelta(days=1),
    online=True,
)
"""
COLUMNS = {"count": "int64", "total": "float64", "kind": "string"}
_SCHEMA = pa.schema(
    [
        ("customer_id", pa.int64()),
        ("count", pa.int64()),
        ("total", pa.float64()),
        ("kind", pa.string()),
        ("at", pa.timestamp("us")),
        ("made", pa.timestamp("us")),
    ]
)
_HOUR = timedelta(hours=1)


class World:
    """Everything is drawn from `seed`. `done` counts what happened."""

    def __init__(self, settings: Settings, customers: int, seed: int) -> None:
        self.settings, self.customers = settings, customers
        self.random = random.Random(seed)
        self.lakehouse = Lakehouse(settings)
        self.done: Counter[str] = Counter()
        for table in ("visits", "profile"):
            rows = self._rows(range(customers), timedelta(hours=20))
            self._append(table, rows)
        self.declarations = load(settings)
        apply(settings)
        self.pushes = self._restarted()

    def happen(self) -> None:
        """One thing, of those that may."""
        chances = {
            self.push: 60,
            self.flush: 4,
            self.land: 6,
            self.restate: 4,
            self.remove: 4,
            self.compact: 1,
            self.materialize: 6,
            self.backfill: 2,
            self.restart: 2,
        }
        [event] = self.random.choices(list(chances), list(chances.values()))
        self.done[event.__name__.strip("_")] += 1
        event()

    def push(self) -> None:
        records = []
        for row in self._rows(self._some(self.random.choice([1, 1, 1, 20])), 2 * _HOUR).to_pylist():
            features = {name: row[name] for name in COLUMNS}
            at = row["at"].isoformat()
            records.append({"customer_id": row["customer_id"], "event_timestamp": at, "features": features})
        answer = self.pushes.push(self.declarations, "visits", records)
        assert answer.rejected == 0, answer.errors

    def flush(self) -> None:
        for _ in flush_pushes(self.settings, self.lakehouse, self.declarations):
            self.done["rows flushed"] += 1

    def land(self) -> None:
        self._append(self._table(), self._rows(self._some(200), 25 * _HOUR))

    def restate(self) -> None:
        """Other values at the same instants."""
        self._rewrite(lambda row: row | {"count": row["count"] + 1000, "kind": "restated"})

    def remove(self) -> None:
        self._rewrite(lambda row: row if self.random.random() < 0.5 else None)

    def compact(self) -> None:
        table = self._table()
        rows = self.lakehouse.read_table(self.lakehouse.pin(f"gold.{table}"))
        self.lakehouse.overwrite(f"gold.{table}", rows, where=[], key=uuid4().hex)

    def materialize(self) -> None:
        for name in ("visits", "profile"):
            self._materialize(name)

    def backfill(self) -> None:
        end = datetime.now(UTC) - timedelta(minutes=self.random.randrange(1500))
        self._materialize(self._table(), window=(end - 3 * _HOUR, end))

    def restart(self) -> None:
        """Of what takes pushes: it may not have ended when its successor begins, as if it had died."""
        before = self.pushes
        if self.random.random() < 0.5:
            before.close()
        self.pushes = self._restarted()
        before.close()

    def compare(self) -> tuple[int, int, list[str]]:
        """Of all pairs of customer and view: how many, how many are not null, and which differ."""
        self.flush()
        self.materialize()
        now = datetime.now(UTC)
        keys = list(range(self.customers))
        asked = pa.table(
            {"customer_id": keys, "asked": pa.array([now] * len(keys), pa.timestamp("us", "UTC"))}
        )
        pairs, present, wrong = 0, 0, []
        for view in ("visits", "profile"):
            refs = [FeatureRef(view=view, feature=name, dtype=dtype) for name, dtype in COLUMNS.items()]
            pins = {f"gold.{view}": self.lakehouse.pin(f"gold.{view}")}
            joined = historical_features(
                self.settings, self.lakehouse, self.declarations, asked, "asked", refs, pins
            ).table
            offline = list(zip(*(joined[name].to_pylist() for name in COLUMNS), strict=True))
            reads = OnlineReads(self.settings).prepare(self.declarations, refs)
            answer = reads.read({"customer_id": keys}, as_of=now)
            online = list(zip(*answer.columns, strict=True))
            for key, (one, other) in enumerate(zip(online, offline, strict=True)):
                pairs += 1
                present += other[0] is not None
                if one != other:
                    wrong.append(f"{view} of {key}: {one} online, {other} offline")
        return pairs, present, wrong

    def _restarted(self) -> Pushes:
        pushes = Pushes(self.settings, online_store(self.settings))
        pushes.recover(self.declarations)
        return pushes

    def _materialize(self, name: str, **more: Any) -> None:
        view = self.declarations.view(name)
        pin = self.lakehouse.pin(view.table)
        materialize(self.settings, self.lakehouse, self.declarations, view, pin, **more)

    def _table(self) -> str:
        return self.random.choice(["visits", "profile"])

    def _some(self, most: int) -> list[int]:
        return [self.random.randrange(self.customers) for _ in range(self.random.randrange(1, most + 1))]

    def _rows(self, customers: Any, back: timedelta) -> pa.Table:
        """At times up to so long ago; some at the same full minutes, so that there are ties."""
        now, rows = datetime.now(UTC).replace(tzinfo=None), []
        for customer in customers:
            at = now - back * self.random.random()
            if self.random.random() < 0.3:
                at = at.replace(second=0, microsecond=0)
            rows.append(
                {
                    "customer_id": customer,
                    "count": self.random.randrange(1000),
                    "total": self.random.choice([None, self.random.random()]),
                    "kind": self.random.choice("abc"),
                    "at": at,
                    "made": now,
                }
            )
        return pa.Table.from_pylist(rows, _SCHEMA)

    def _append(self, table: str, rows: pa.Table) -> None:
        self.lakehouse.append(f"gold.{table}", rows, key=uuid4().hex)

    def _rewrite(self, change: Any) -> None:
        table = f"gold.{self._table()}"
        where = [OneOf("customer_id", tuple(set(self._some(20))))]
        rows = self.lakehouse.read_table(self.lakehouse.pin(table), where=where).to_pylist()
        kept = [changed for changed in map(change, rows) if changed is not None]
        make = partial(pa.Table.from_pylist, schema=_SCHEMA)
        self.lakehouse.overwrite(table, make(kept), where=where, key=uuid4().hex)
