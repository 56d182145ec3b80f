"""What every engine promises of Iceberg tables: the pinned snapshot is read, all of it and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asgard_pipelines.errors import ColumnNotFound, Unsupported
from asgard_pipelines.features.point_in_time.engine import Engine, JoinedRows, Lookup
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines_tests.contracts.deletes import delete_by_equality, delete_by_position

NOON = datetime(2024, 2, 29, 12)
HOUR = timedelta(hours=1)
SCHEMA = pa.schema([("k", pa.int64()), ("at", pa.timestamp("us")), ("v", pa.int64())])

_tables = count()


@pytest.fixture
def name() -> str:
    return f"gold.pinned{next(_tables)}"


def rows(*values: tuple[int, datetime, int]) -> pa.Table:
    return pa.table([list(column) for column in zip(*values, strict=True)], schema=SCHEMA)


def look_up(lakehouse: Lakehouse, pin: Pin, view: str = "view", column: str = "v") -> Lookup:
    return Lookup(
        view,
        lakehouse.source(pin),
        keys={"k": "k"},
        timestamp="at",
        columns={f"{view}__v": column},
        ties=[column],
    )


def join(engine: Engine, *lookups: Lookup) -> JoinedRows:
    """As of one o'clock, for the keys 1 and 2."""
    asked = pa.table([[1, 2], pa.array([NOON + HOUR] * 2, pa.timestamp("us"))], names=["k", "at"])
    return engine.join(asked, "at", lookups, filter_by_created=True)


def values(joined: JoinedRows, view: str = "view") -> list[Any]:
    got: list[Any] = joined.table()[f"{view}__v"].to_pylist()
    return got


def test_each_lookup_reads_its_own_snapshot_and_says_so(
    engine: Engine, lakehouse: Lakehouse, name: str
) -> None:
    first = lakehouse.append(name, rows((1, NOON, 1)), key="1").pin
    second = lakehouse.append(name, rows((1, NOON, 5), (2, NOON, 2)), key="2").pin
    third = lakehouse.overwrite(name, rows((2, NOON, 7)), key="3").pin
    pins = {"first": first, "second": second, "third": third, "again": first}
    joined = join(engine, *(look_up(lakehouse, pin, view) for view, pin in pins.items()))
    assert [values(joined, view) for view in pins] == [[1, None], [5, 2], [None, 7], [1, None]]
    assert sorted(joined.reads) == sorted([first, second, third])
    assert joined.found["first"].coverage == joined.found["third"].coverage == 0.5


def test_a_table_without_a_snapshot_gives_nulls(engine: Engine, lakehouse: Lakehouse, name: str) -> None:
    lakehouse.catalog.make_namespace_of(name)
    lakehouse.catalog.iceberg.create_table(name, SCHEMA)
    joined = join(engine, look_up(lakehouse, lakehouse.pin(name)))
    assert values(joined) == [None, None]
    assert joined.table()["view__v"].type == pa.int64()
    assert list(joined.reads) == [Pin(name, None)]
    assert joined.found["view"].newest is None


def test_rows_deleted_by_position_are_gone_and_only_from_then_on(
    engine: Engine, lakehouse: Lakehouse, name: str
) -> None:
    one = rows((1, NOON - HOUR, 1), (1, NOON, 10), (2, NOON - HOUR, 2))
    before = lakehouse.append(name, one, key="1").pin
    lakehouse.append(name, rows((2, NOON, 20), (2, NOON, 30)), key="2")
    delete_by_position(lakehouse.catalog.load(name), "v", {10, 30}, Random(1))
    after = lakehouse.pin(name)
    assert values(join(engine, look_up(lakehouse, before))) == [10, 2]
    assert values(join(engine, look_up(lakehouse, after))) == [1, 20]
    delete_by_position(lakehouse.catalog.load(name), "v", {1, 2, 20}, Random(1))
    none = join(engine, look_up(lakehouse, lakehouse.pin(name)))
    assert values(none) == [None, None]
    assert (none.found["view"].coverage, none.found["view"].newest) == (0.0, None)


def test_equality_deletes_are_refused_with_the_table_s_name(
    engine: Engine, lakehouse: Lakehouse, name: str
) -> None:
    before = lakehouse.append(name, rows((1, NOON, 1), (2, NOON, 2)), key="1").pin
    delete_by_equality(lakehouse.catalog.load(name), "k", 1)
    with pytest.raises(Unsupported, match=f"{name}.*quality delete"):
        values(join(engine, look_up(lakehouse, lakehouse.pin(name))))
    assert values(join(engine, look_up(lakehouse, before))) == [1, 2]


def test_a_column_that_took_a_dropped_one_s_name_does_not_bring_its_values_back(
    engine: Engine, lakehouse: Lakehouse, name: str
) -> None:
    before = lakehouse.append(name, rows((1, NOON, 1)), key="1").pin
    with lakehouse.catalog.load(name).update_schema() as update:
        update.delete_column("v")
    after = lakehouse.append(name, rows((2, NOON, 2)), key="2").pin
    assert values(join(engine, look_up(lakehouse, after))) == [None, 2]
    assert values(join(engine, look_up(lakehouse, before))) == [1, None]


def test_columns_are_known_by_the_names_of_the_pinned_snapshot(
    engine: Engine, lakehouse: Lakehouse, name: str
) -> None:
    before = lakehouse.append(name, rows((1, NOON, 1)), key="1").pin
    with lakehouse.catalog.load(name).update_schema() as update:
        update.rename_column("v", "w")
    after = lakehouse.append(name, rows((2, NOON, 2)).rename_columns(["k", "at", "w"]), key="2").pin
    assert values(join(engine, look_up(lakehouse, before, column="v"))) == [1, None]
    assert values(join(engine, look_up(lakehouse, after, column="w"))) == [1, 2]
    with pytest.raises(ColumnNotFound, match=f"'v' not found in '{name}'"):
        join(engine, look_up(lakehouse, after, column="v"))


def test_files_that_were_added_as_they_were_are_read_by_name(
    engine: Engine, lakehouse: Lakehouse, name: str, tmp_path: Path
) -> None:
    """Hive's and others' files have no field ids; the table maps names to them."""
    lakehouse.append(name, rows((1, NOON, 1)), key="1")
    foreign = tmp_path / "foreign.parquet"
    pq.write_table(rows((2, NOON, 2)).select(["v", "at", "k"]), foreign)
    lakehouse.catalog.load(name).add_files([str(foreign)])
    assert values(join(engine, look_up(lakehouse, lakehouse.pin(name)))) == [1, 2]


def test_rows_are_the_same_however_they_are_filed(engine: Engine, lakehouse: Lakehouse, name: str) -> None:
    """Compaction, another order, other files: nothing of it decides anything."""
    held = [(1, NOON, value) for value in (3, 1, 2)] + [(2, NOON, value) for value in (5, 6, 4)]
    for number in range(3):
        shuffled = Random(number).sample(held, len(held))
        table = f"{name}_{number}"
        for part in range(0, len(held), number + 1):
            lakehouse.append(table, rows(*shuffled[part : part + number + 1]), key=str(part))
        assert values(join(engine, look_up(lakehouse, lakehouse.pin(table)))) == [3, 6]
