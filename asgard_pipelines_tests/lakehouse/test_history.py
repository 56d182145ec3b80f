"""A table as it stood at an instant, and the tables of other catalogs."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog, load_catalog

from asgard_pipelines.errors import BackendUnavailable, Invalid, SnapshotNotFound, TableNotFound
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.lakehouse.history import as_of
from asgard_pipelines.settings import Settings

ROWS = pa.table({"id": [1, 2, 3]})


def committed(lakehouse: Lakehouse, table: str) -> datetime:
    """When the current snapshot was committed; the next one is at least two milliseconds younger."""
    snapshot = lakehouse.catalog.load(table).current_snapshot()
    assert snapshot is not None
    time.sleep(0.002)
    return datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)


def test_a_table_stands_at_the_newest_snapshot_committed_by_then(lakehouse: Lakehouse) -> None:
    pins, times = [], []
    for key in "abc":
        pins.append(lakehouse.append("t", ROWS, key=key).pin)
        times.append(committed(lakehouse, "t"))
    for pin, at in zip(pins, times, strict=True):
        assert lakehouse.pin_as_of("t", at) == pin
        assert lakehouse.pin_as_of("t", at + timedelta(milliseconds=1)) == pin
    assert lakehouse.pin_as_of("gold.t", times[1].replace(tzinfo=None)) == pins[1]
    assert lakehouse.pin_as_of("t", times[1].astimezone(timezone(timedelta(hours=5)))) == pins[1]


def test_an_instant_before_the_first_snapshot_is_refused_with_the_oldest_there_is(
    lakehouse: Lakehouse,
) -> None:
    first = lakehouse.append("t", ROWS, key="a").pin
    before = committed(lakehouse, "t") - timedelta(milliseconds=1)
    lakehouse.append("t", ROWS, key="b")
    with pytest.raises(SnapshotNotFound, match=rf"The oldest one there is: {first.snapshot_id} of "):
        lakehouse.pin_as_of("t", before)


def test_the_first_half_of_an_overwrite_was_never_a_state(lakehouse: Lakehouse) -> None:
    first = lakehouse.append("t", ROWS, key="a").pin
    committed(lakehouse, "t")
    second = lakehouse.overwrite("t", ROWS, key="b").pin
    table = lakehouse.catalog.load("t")
    inner = [s for s in table.snapshots() if s.snapshot_id not in (first.snapshot_id, second.snapshot_id)]
    assert inner, "PyIceberg makes two snapshots of an overwrite"
    # Their clock may not have ticked between the two: set the second one later.
    later = [
        s.model_copy(update={"timestamp_ms": s.timestamp_ms + 50})
        if s.snapshot_id == second.snapshot_id
        else s
        for s in table.metadata.snapshots
    ]
    table.metadata = table.metadata.model_copy(update={"snapshots": later})
    between = datetime.fromtimestamp(inner[0].timestamp_ms / 1000, UTC) + timedelta(milliseconds=10)
    assert as_of(table, "t", between).snapshot_id == first.snapshot_id


@pytest.fixture
def other(tmp_path: Path) -> dict[str, str]:
    return {
        "type": "sql",
        "uri": f"sqlite:///{tmp_path / 'other.db'}",
        "warehouse": f"file://{tmp_path / 'w'}",
    }


def made(other: dict[str, str]) -> Catalog:
    catalog = load_catalog("shop", **other)
    catalog.create_namespace("sales")
    catalog.create_table("sales.orders", ROWS.schema).append(ROWS)
    return catalog


def test_tables_of_another_catalog_are_read_and_appended_to(
    other: dict[str, str], settings: Settings
) -> None:
    made(other)
    lakehouse = Lakehouse.of_catalog(settings, "shop", other)
    pin = lakehouse.pin("sales.orders")
    assert pin.table == "shop.sales.orders"
    assert lakehouse.pin("shop.sales.orders") == pin
    after = lakehouse.append("sales.orders", ROWS, key="k")
    assert (lakehouse.read_table(pin).num_rows, lakehouse.read_table(after.pin).num_rows) == (3, 6)
    assert len(lakehouse.source(pin).files([])) == 1


def test_no_table_is_made_in_another_catalog(other: dict[str, str], settings: Settings) -> None:
    made(other)
    lakehouse = Lakehouse.of_catalog(settings, "shop", other)
    with pytest.raises(TableNotFound, match=r"Did you mean 'shop\.sales\.orders'"):
        lakehouse.append("sales.order", ROWS, key="k")
    with pytest.raises(TableNotFound):
        lakehouse.pin("elsewhere.orders")


def test_a_catalog_that_does_not_open_is_named(settings: Settings) -> None:
    with pytest.raises(Invalid, match="Catalog 'shop' cannot be opened"):
        Lakehouse.of_catalog(settings, "shop", {"type": "nonsense"}).pin("sales.orders")
    nobody = {"type": "sql", "uri": "sqlite:////nowhere/at/all.db", "warehouse": "file:///nowhere"}
    with pytest.raises(BackendUnavailable, match="Catalog 'shop' cannot be opened: OperationalError"):
        Lakehouse.of_catalog(settings, "shop", nobody).pin("sales.orders")
