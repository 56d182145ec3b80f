"""Rows that were pushed before their view, or its table, was changed: they land, or wait and are told of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from asgard_pipelines.declarations import Declarations, FeatureRef
from asgard_pipelines.errors import Invalid, TableNotFound, TypeMismatch
from asgard_pipelines.features import Flushed, HeldBack, OnlineReads, Pushes, apply, flush_pushes
from asgard_pipelines.features.online import online_store
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.project import init, load
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import last_decisions, unflushed_rows, waiting_rows

_HEAD = """
from feast import Entity, FeatureView, Field, Project, PushSource, ValueType
from feast.types import Float64, Int64, String, UnixTimestamp

from asgard_pipelines.features import gold

project = Project(name="shop", description="")
customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)
shop = Entity(name="shop", join_keys=["shop_id"], value_type=ValueType.INT64)


def view(name, entity=customer, names={}, **features):
    table = gold(name, timestamp_field="at", created_timestamp_column="made", field_mapping=names)
    return FeatureView(
        name=name,
        entities=[entity],
        schema=[Field(name=feature, dtype=dtype) for feature, dtype in features.items()],
        source=PushSource(name=name, batch_source=table),
        online=True,
    )


"""
_TIMES = [("at", pa.timestamp("us")), ("made", pa.timestamp("us"))]
_VISITS = [
    ("customer_id", pa.string()),
    ("shop_id", pa.int64()),
    ("pages", pa.int64()),
    ("cart", pa.float64()),
]
NOON = datetime(2025, 1, 1, 12)
PAGES = 'visits = view("visits", pages=Int64)'
ORDERS = '\norders = view("orders", amount=Int64)\n'


class World:
    def __init__(self, folder: Path) -> None:
        self.repo = folder / "shop" / "repo.py"
        init(folder / "shop", empty=True)
        self.declare(PAGES + ORDERS)
        self.settings = Settings.read()
        self.lakehouse = Lakehouse(self.settings)
        self.make("visits", *_VISITS)
        self.make("orders", ("customer_id", pa.string()), ("amount", pa.int64()))
        self.declarations: Declarations = load(self.settings)
        self.pushes = Pushes(self.settings, online_store(self.settings))

    def make(self, table: str, *columns: tuple[str, pa.DataType]) -> None:
        self.lakehouse.append(f"gold.{table}", pa.schema([*columns, *_TIMES]).empty_table(), key="made")

    def declare(self, views: str) -> None:
        self.repo.write_text(_HEAD + views)

    def change(self, views: str) -> None:
        self.declare(views)
        self.declarations = load(self.settings)
        apply(self.settings)

    def push(self, view: str, customer: str, minute: int = 0, **features: Any) -> None:
        at = (NOON + timedelta(minutes=minute)).isoformat()
        record = {"customer_id": customer, "event_timestamp": at, "features": features}
        answer = self.pushes.push(self.declarations, view, [record])
        assert answer.accepted == 1, answer.errors

    def flush(self) -> list[Flushed | HeldBack]:
        return list(flush_pushes(self.settings, self.lakehouse, self.declarations))

    def landed(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        rows = self.lakehouse.read_table(self.lakehouse.pin(f"gold.{table}")).sort_by("made")
        return [tuple(row[column] for column in columns) for row in rows.to_pylist()]

    def online(self, customer: str, view: str, feature: str, dtype: str = "int64") -> Any:
        ref = FeatureRef(view=view, feature=feature, dtype=dtype)
        answer = OnlineReads(self.settings).prepare(self.declarations, [ref]).read({"customer": [customer]})
        return answer.columns[0][0]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("ASGARD_REPO", str(tmp_path / "shop"))
    monkeypatch.setenv("ASGARD_HOME", str(tmp_path / "home"))
    made = World(tmp_path)
    yield made
    made.pushes.close()


def test_columns_that_the_view_has_not_are_null(world: World) -> None:
    world.push("visits", "a", pages=1)
    [flushed] = world.flush()
    assert isinstance(flushed, Flushed)
    assert world.landed("visits", "customer_id", "shop_id", "pages", "cart") == [("a", None, 1, None)]


def test_a_feature_that_was_added_is_null_in_rows_that_waited(world: World) -> None:
    world.push("visits", "a", pages=1)
    world.change('visits = view("visits", pages=Int64, cart=Float64)' + ORDERS)
    world.push("visits", "b", pages=2, cart=2.5)
    assert world.pushes.recover(world.declarations) == 2
    assert [one.rows for one in world.flush()] == [2]
    assert world.landed("visits", "customer_id", "pages", "cart") == [("a", 1, None), ("b", 2, 2.5)]
    assert (world.online("a", "visits", "pages"), world.online("b", "visits", "pages")) == (1, 2)


def test_a_feature_that_was_removed_stays_in_its_column(world: World) -> None:
    world.change('visits = view("visits", pages=Int64, cart=Float64)' + ORDERS)
    world.push("visits", "a", pages=1, cart=1.5)
    world.change(PAGES + ORDERS)
    assert [one.rows for one in world.flush()] == [1]
    assert world.landed("visits", "customer_id", "pages", "cart") == [("a", 1, 1.5)]


def test_a_feature_that_was_renamed_keeps_its_column(world: World) -> None:
    world.push("visits", "a", pages=1)
    world.change('visits = view("visits", names={"pages": "clicks"}, clicks=Int64)' + ORDERS)
    world.push("visits", "b", clicks=2)
    world.change('visits = view("visits", names={"pages": "looks"}, looks=Int64)' + ORDERS)
    assert [one.rows for one in world.flush()] == [2]
    assert world.landed("visits", "customer_id", "pages") == [("a", 1), ("b", 2)]


def test_rows_whose_key_the_view_has_no_more_wait_and_are_told_of(world: World) -> None:
    world.push("visits", "a", pages=1)
    world.push("orders", "a", amount=7)
    world.change('visits = view("visits", shop, pages=Int64)' + ORDERS)
    assert world.pushes.recover(world.declarations) == 1
    told = "Pushed rows of 'visits' have no 'shop_id', which is a key of the view now."
    flushed, held = world.flush()
    assert (flushed.feature_view, flushed.rows) == ("orders", 1)
    assert held == HeldBack("visits", 1, told)
    assert last_decisions(world.settings)[0].reason == f"1 pushed rows wait: {told}"
    [waiting] = waiting_rows(world.settings)
    assert (waiting.rows, waiting.held, waiting.since) == (1, 1, None)
    world.change(PAGES + ORDERS)
    assert [one.rows for one in world.flush()] == [1]
    assert world.landed("visits", "customer_id", "pages") == [("a", 1)]
    assert unflushed_rows(world.settings) == []


def test_rows_of_another_type_wait_and_those_that_fit_do_not_wait_for_them(world: World) -> None:
    world.push("visits", "a", pages=1)
    world.push("orders", "a", amount=1)
    world.change('visits = view("visits", pages=Int64)\norders = view("orders", amount=String)\n')
    world.make("texts", ("customer_id", pa.string()), ("amount", pa.string()))
    world.lakehouse.overwrite(
        "gold.orders",
        world.lakehouse.read_table(world.lakehouse.pin("gold.texts")),
        key="text now",
        other_columns=True,
    )
    world.push("orders", "b", amount="many")
    first, held, visits = world.flush()
    assert (first.feature_view, first.rows, visits.feature_view) == ("orders", 1, "visits")
    assert isinstance(held, HeldBack)
    assert held.reason.startswith("'amount' is string now")
    assert world.landed("orders", "customer_id", "amount") == [("b", "many")]


def test_pushed_values_land_in_columns_that_the_view_widens_and_wait_where_they_would_be_others(
    world: World,
) -> None:
    """A view may read a decimal as float64, and a date as its midnight."""
    prices = [("customer_id", pa.string()), ("price", pa.decimal128(6, 2)), ("until", pa.date32())]
    world.make("prices", *prices)
    world.change(PAGES + ORDERS + 'prices = view("prices", price=Float64, until=UnixTimestamp)\n')
    world.push("prices", "a", price=14.79, until="2025-02-01")
    world.push("prices", "b", price=None, until=None)
    [flushed] = world.flush()
    assert (flushed.feature_view, flushed.rows) == ("prices", 2)
    landed = [("a", Decimal("14.79"), date(2025, 2, 1)), ("b", None, None)]
    assert world.landed("prices", "customer_id", "price", "until") == landed
    world.push("prices", "c", price=0.125, until=None)
    world.push("prices", "d", price=1.0, until="2025-02-01T05:00:00Z")
    world.push("prices", "e", price=2.5, until=None)
    flushed, held = world.flush()
    assert (flushed.rows, held.rows) == (1, 2)
    assert isinstance(held, HeldBack)
    assert "which cannot hold their" in held.reason
    assert world.landed("prices", "customer_id")[2:] == [("e",)]


def test_a_view_without_its_table_does_not_stop_the_others(world: World) -> None:
    world.push("orders", "a", amount=1)
    world.push("visits", "a", pages=1)
    world.lakehouse.catalog.iceberg.drop_table("gold.orders")
    with pytest.raises(TableNotFound, match="orders"):
        world.flush()
    assert world.landed("visits", "customer_id", "pages") == [("a", 1)]
    world.make("orders", ("customer_id", pa.string()), ("amount", pa.int64()))
    assert [one.rows for one in world.flush()] == [1]


def test_a_flush_puts_online_what_never_got_there(world: World) -> None:
    """As if the store had not answered, and the process that was told had died."""
    world.push("visits", "a", pages=1)
    world.push("visits", "b", pages=2)
    view = world.declarations.view("visits")
    store = online_store(world.settings)
    store.drop(view)
    world.push("visits", "b", minute=1, pages=3)
    world.flush()
    assert (world.online("a", "visits", "pages"), world.online("b", "visits", "pages")) == (1, 3)


def test_a_key_is_text_or_a_whole_number_in_pushes_as_in_reads(world: World) -> None:
    """A shop's key is an integer: one that comes as text is the same, and what is no number is told of."""
    world.change('visits = view("visits", shop, pages=Int64)' + ORDERS)
    keys = [7, "7", 7.0, "seven", 7.5, True, "9223372036854775808", None]
    at = NOON.isoformat()
    records = [{"shop": key, "event_timestamp": at, "features": {"pages": 1}} for key in keys]
    answer = world.pushes.push(world.declarations, "visits", records)
    assert answer.accepted == 3
    assert [one["record"] for one in answer.errors] == [3, 4, 5, 6, 7]
    twice = world.pushes.push(world.declarations, "visits", [{**records[0], "shop_id": 8}])
    assert [one["message"] for one in twice.errors] == [
        "The record names 'shop' twice, as entity and as key."
    ]
    world.flush()
    assert world.landed("visits", "shop_id") == [(7,), (7,), (7,)]
    ref = FeatureRef(view="visits", feature="pages", dtype="int64")
    reads = OnlineReads(world.settings).prepare(world.declarations, [ref])
    assert reads.read({"shop": keys[:3]}).columns == [[1, 1, 1]]
    for key in keys[3:7]:
        with pytest.raises(TypeMismatch, match="is none"):
            reads.read({"shop": [key]})
    with pytest.raises(Invalid, match="twice, as entity and as key: shop, shop_id"):
        reads.read({"shop": [7], "shop_id": [8]})
