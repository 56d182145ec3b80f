"""A table of orders, a view over it that is online, and both sides of the promise: the store and the join."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import pyarrow as pa

from asgard_pipelines.declarations import Declarations, Entity, Feature, FeatureRef, FeatureView, Where
from asgard_pipelines.features import OnlineReads, historical_features
from asgard_pipelines.features.materialization import materialize
from asgard_pipelines.features.online import online_store
from asgard_pipelines.features.online.store import OnlineStore
from asgard_pipelines.lakehouse import Lakehouse, OneOf, Pin
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Materialization
from asgard_pipelines_tests.contracts.deletes import delete_by_position

TABLE = "gold.orders"
NOON = datetime(2026, 3, 1, 12)
HOUR = timedelta(hours=1)
LATER = datetime(2030, 1, 1, tzinfo=UTC)
"""After all times of the tests."""
_WHERE = Where(file="views.py", line=1)
_NUMBERS = count()
_SCHEMA = pa.schema(
    [
        ("n", pa.int64()),
        ("customer", pa.int64()),
        ("amount", pa.int64()),
        ("city", pa.string()),
        ("at", pa.timestamp("us")),
        ("created", pa.timestamp("us")),
    ]
)


def order(customer: int, amount: int | None, at: datetime = NOON, **more: Any) -> dict[str, Any]:
    return {"n": None, "customer": customer, "amount": amount, "city": None, "at": at, "created": None} | more


def orders_view(**changes: Any) -> FeatureView:
    given: dict[str, Any] = {
        "name": "orders",
        "where": _WHERE,
        "entities": ["customer"],
        "join_keys": {"customer_id": "customer"},
        "features": [
            Feature(name="amount", dtype="int64", column="amount"),
            Feature(name="city", dtype="string", column="city"),
        ],
        "table": TABLE,
        "timestamp": "at",
        "created_timestamp": "created",
        "online": True,
    }
    return FeatureView(**given | changes)


def declared(view: FeatureView, project: str) -> Declarations:
    customer = Entity(name="customer", where=_WHERE, join_key="customer_id", dtype="int64")
    return Declarations(project=project, entities=[customer], views=[view])


@dataclass
class World:
    """Each has a Feast project of its own, in a store that they may share."""

    settings: Settings
    project: str = field(default_factory=lambda: f"shop{next(_NUMBERS)}")
    view: FeatureView = field(default_factory=orders_view)
    commits: int = 0

    def __post_init__(self) -> None:
        self.lakehouse = Lakehouse(self.settings)
        self.declarations = declared(self.view, self.project)

    @property
    def store(self) -> OnlineStore:
        return online_store(self.settings, self.project)

    def declare(self, **changes: Any) -> None:
        self.view = orders_view(**changes)
        self.declarations = declared(self.view, self.project)

    def append(self, *rows: dict[str, Any]) -> Pin:
        return self.lakehouse.append(TABLE, self.numbered(rows, self.commits), key=self._key()).pin

    def restate(self, customers: Iterable[int], *rows: dict[str, Any]) -> Pin:
        """All rows of these customers, by copying the files that hold some."""
        where = [OneOf("customer", tuple(customers))]
        rows_now = self.numbered(rows, self.commits)
        return self.lakehouse.overwrite(TABLE, rows_now, where=where, key=self._key()).pin

    def compact(self) -> Pin:
        rows = self.lakehouse.read_table(self.pin)
        return self.lakehouse.overwrite(TABLE, rows, key=self._key()).pin

    def made_anew(self, *rows: dict[str, Any]) -> Pin:
        """The table is dropped, and another one of its name is made: it has none of its snapshots."""
        self.lakehouse.catalog.iceberg.drop_table(TABLE)
        return self.append(*rows)

    def delete_rows(self, *numbers: int) -> None:
        """By position."""
        delete_by_position(self.lakehouse.catalog.load(TABLE), "n", set(numbers), Random(1))

    @property
    def pin(self) -> Pin:
        return self.lakehouse.pin(TABLE)

    def numbers(self) -> list[int]:
        return [int(n) for n in self.lakehouse.read_table(self.pin, ["n"])["n"].to_pylist()]

    def materialize(self, pin: Pin | None = None, as_of: datetime = LATER, **more: Any) -> Materialization:
        return materialize(
            self.settings, self.lakehouse, self.declarations, self.view, pin or self.pin, as_of=as_of, **more
        )

    def online(self, customers: Sequence[int], as_of: datetime = LATER) -> list[dict[str, Any]]:
        """What the store gives."""
        asked = [{"customer_id": customer} for customer in customers]
        return OnlineReads(self.settings).read(self.declarations, self._refs, asked, as_of).rows.to_pylist()

    def offline(
        self, customers: Sequence[int], as_of: datetime = LATER, pin: Pin | None = None
    ) -> list[dict[str, Any]]:
        """What the join gives as of that instant."""
        times = pa.array([as_of.replace(tzinfo=None)] * len(customers), pa.timestamp("us"))
        asked = pa.table({"customer_id": pa.array(customers, pa.int64()), "as of": times})
        joined = historical_features(
            self.settings,
            self.lakehouse,
            self.declarations,
            asked,
            "as of",
            self._refs,
            {TABLE: pin or self.pin},
        )
        return joined.table.select([ref.feature for ref in self._refs]).to_pylist()

    def amounts(self, *customers: int, as_of: datetime = LATER) -> list[int | None]:
        return [row["amount"] for row in self.online(customers, as_of)]

    @property
    def _refs(self) -> list[FeatureRef]:
        return [FeatureRef(view="orders", feature=f.name, dtype=f.dtype) for f in self.view.features]

    def _key(self) -> str:
        self.commits += 1
        return f"commit {self.commits}"

    @staticmethod
    def numbered(rows: Sequence[dict[str, Any]], commit: int = 0) -> pa.Table:
        """As the table has them; each row with a number of its own."""
        numbered = [row | {"n": commit * 10_000 + at} for at, row in enumerate(rows)]
        return pa.Table.from_pylist(numbered, schema=_SCHEMA)
