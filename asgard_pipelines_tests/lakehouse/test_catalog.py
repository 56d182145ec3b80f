"""Names, states and pins of tables."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.catalog.sql import SqlCatalog

from asgard_pipelines.errors import Conflict, SnapshotNotFound, TableNotFound
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.settings import Settings

ROWS = pa.table({"id": [1, 2, 3], "name": ["a", None, "c"]})


def test_importing_the_room_imports_no_vendor() -> None:
    vendors = {"pyiceberg", "pyarrow", "duckdb", "sqlglot", "sqlalchemy"}
    code = f"import sys, asgard_pipelines.lakehouse; print(sorted({vendors!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reading_sql_text_imports_no_engine() -> None:
    code = (
        "import sys; from asgard_pipelines.lakehouse import tables_read, column_lineage; "
        "tables_read('select 1'); print(sorted({'pyiceberg', 'duckdb', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["purchases", "gold.purchases", "iceberg.gold.purchases"])
def test_a_table_answers_to_all_three_forms_of_its_name(lakehouse: Lakehouse, name: str) -> None:
    lakehouse.append("purchases", ROWS, key="k")
    assert lakehouse.resolve(name) == "gold.purchases"
    assert lakehouse.exists(name)
    assert lakehouse.pin(name).table == "gold.purchases"


@pytest.mark.parametrize("name", ["purchase", "gold.purchase", "a.b.c.d", "other.gold.purchases", ""])
def test_a_name_of_no_table_is_refused_with_what_there_is(lakehouse: Lakehouse, name: str) -> None:
    lakehouse.append("purchases", ROWS, key="k")
    with pytest.raises(TableNotFound) as refused:
        lakehouse.resolve(name)
    assert refused.value.details["available_tables"] == ["gold.purchases"]


def test_a_near_miss_is_told_the_right_name(lakehouse: Lakehouse) -> None:
    lakehouse.append("purchases", ROWS, key="k")
    with pytest.raises(TableNotFound, match=r"Did you mean 'gold\.purchases'"):
        lakehouse.state("gold.purchase")


def test_a_state_says_what_stands(lakehouse: Lakehouse) -> None:
    times = pa.array([datetime(2020, 1, 1)] * 3, pa.timestamp("us", "UTC"))
    commit = lakehouse.append("sales.purchases", ROWS.append_column("at", times), key="k")
    (state,) = lakehouse.tables()
    assert state.table == "sales.purchases"
    assert (state.snapshot_id, state.rows) == (commit.pin.snapshot_id, 3)
    assert state.columns == {"id": "int64", "name": "string", "at": "timestamp"}
    assert abs(state.updated_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_plain_pyiceberg_finds_the_tables(lakehouse: Lakehouse, settings: Settings) -> None:
    lakehouse.append("purchases", ROWS, key="k")
    catalog = load_catalog("iceberg", **settings.catalog_properties)
    assert catalog.load_table("gold.purchases").scan().to_arrow().num_rows == 3


def test_who_reads_does_not_wait_for_who_lands_and_who_lands_waits_a_minute(
    lakehouse: Lakehouse, settings: Settings
) -> None:
    lakehouse.append("purchases", ROWS, key="k")
    landing = sqlite3.connect(settings.state_folder / "catalog.db", isolation_level=None)
    landing.execute("BEGIN EXCLUSIVE")
    assert Lakehouse(settings).state("purchases").rows == 3
    landing.execute("ROLLBACK")
    landing.close()
    catalog = lakehouse.catalog.iceberg
    assert isinstance(catalog, SqlCatalog)
    with catalog.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 60_000


def test_a_snapshot_of_another_table_is_refused(lakehouse: Lakehouse) -> None:
    lakehouse.append("purchases", ROWS, key="k")
    with pytest.raises(SnapshotNotFound, match="123"):
        lakehouse.pin("purchases", 123)
    with pytest.raises(SnapshotNotFound):
        lakehouse.read(Pin("gold.purchases", 123))


def test_a_pin_prints_as_people_write_it() -> None:
    assert str(Pin("gold.purchases", 123)) == "gold.purchases@123"


def test_a_tag_names_one_snapshot_for_ever(lakehouse: Lakehouse) -> None:
    first = lakehouse.append("purchases", ROWS, key="1").pin
    second = lakehouse.append("purchases", ROWS, key="2").pin
    lakehouse.tag(first, "kept")
    lakehouse.tag(first, "kept")
    with pytest.raises(Conflict, match="kept"):
        lakehouse.tag(second, "kept")


def test_properties_are_set_without_a_snapshot(lakehouse: Lakehouse) -> None:
    pin = lakehouse.append("purchases", ROWS, key="1").pin
    lakehouse.set_properties("purchases", {"asgard.watermark": "2020-01-01"})
    lakehouse.set_properties("purchases", lambda held: {"copy": held["asgard.watermark"]})
    state = lakehouse.state("purchases")
    assert state.pin == pin
    assert state.properties["copy"] == "2020-01-01"
