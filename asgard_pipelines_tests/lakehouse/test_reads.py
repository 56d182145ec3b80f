"""Reads at a pin: projected, filtered, pruned."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema
from pyiceberg.typedef import Record
from pyiceberg.types import DateType, LongType, NestedField, TimestamptzType

from asgard_pipelines.errors import ColumnNotFound, TypeMismatch
from asgard_pipelines.lakehouse import AnyOf, Changes, Lakehouse, OneOf, Pin, TimeRange
from asgard_pipelines.settings import Settings

MONTHS = [datetime(2020, month, 1) for month in range(1, 7)]


def _events(times: list[datetime | None]) -> pa.Table:
    ids = list(range(len(times)))
    return pa.table({"id": ids, "at": pa.array(times, pa.timestamp("us")), "name": [f"n{i}" for i in ids]})


@pytest.fixture
def events(lakehouse: Lakehouse) -> Pin:
    return lakehouse.append("events", _events([*MONTHS, None]), key="k", partition_by="month(at)").pin


def _ids(lakehouse: Lakehouse, pin: Pin, *where: TimeRange | OneOf | AnyOf) -> list[int]:
    return sorted(lakehouse.read_table(pin, ["id"], where)["id"].to_pylist())


def test_a_time_range_holds_its_start_and_not_its_end(lakehouse: Lakehouse, events: Pin) -> None:
    assert _ids(lakehouse, events, TimeRange("at", MONTHS[1], MONTHS[3])) == [1, 2]
    assert _ids(lakehouse, events, TimeRange("at", None, MONTHS[1])) == [0]
    assert _ids(lakehouse, events, TimeRange("at", MONTHS[5])) == [5]
    assert _ids(lakehouse, events, TimeRange("at")) == [0, 1, 2, 3, 4, 5, 6]


def test_an_aware_time_is_the_instant_it_names(lakehouse: Lakehouse, events: Pin) -> None:
    stockholm = timezone(timedelta(hours=1))
    assert _ids(lakehouse, events, TimeRange("at", datetime(2020, 6, 1, 1, tzinfo=stockholm))) == [5]
    assert _ids(lakehouse, events, TimeRange("at", datetime(2020, 6, 1, 1, tzinfo=UTC))) == []


def test_predicates_are_joined_by_and(lakehouse: Lakehouse, events: Pin) -> None:
    assert _ids(lakehouse, events, TimeRange("at", MONTHS[2]), OneOf("name", ("n1", "n3"))) == [3]
    assert _ids(lakehouse, events, OneOf("id", ())) == []
    assert _ids(lakehouse, events, OneOf("at", (MONTHS[2], MONTHS[4].replace(tzinfo=UTC)))) == [2, 4]


def test_any_of_is_an_or(lakehouse: Lakehouse, events: Pin) -> None:
    either = AnyOf((TimeRange("at", None, MONTHS[1]), OneOf("id", (4,))))
    assert _ids(lakehouse, events, either) == [0, 4]
    assert _ids(lakehouse, events, AnyOf(())) == []


def test_columns_come_in_the_order_asked_for(lakehouse: Lakehouse, events: Pin) -> None:
    found = lakehouse.read_table(events, ["name", "id"], [TimeRange("at", None, MONTHS[1])])
    assert found.to_pylist() == [{"name": "n0", "id": 0}]
    assert found.schema == pa.schema([("name", pa.string()), ("id", pa.int64())])


def test_a_read_opens_only_files_that_can_hold_its_rows(lakehouse: Lakehouse, events: Pin) -> None:
    for file in Path(lakehouse.state("events").location.removeprefix("file://")).rglob(
        "*at_month=2020-0[2-6]*/*"
    ):
        file.unlink()
    assert _ids(lakehouse, events, TimeRange("at", None, MONTHS[1])) == [0]


def test_an_unknown_column_is_refused_with_those_present(lakehouse: Lakehouse, events: Pin) -> None:
    with pytest.raises(ColumnNotFound, match=r"Did you mean 'name'.*id, at, name"):
        lakehouse.read(events, ["nam"])
    with pytest.raises(ColumnNotFound):
        lakehouse.read(events, where=[OneOf("nam", (1,))])
    with pytest.raises(TypeMismatch, match="'name'"):
        lakehouse.read(events, where=[TimeRange("name", MONTHS[0])])


def test_an_old_pin_reads_the_old_rows_in_the_old_schema(lakehouse: Lakehouse, events: Pin) -> None:
    wider = _events(MONTHS[:1]).append_column("more", pa.array([1.5]))
    new = lakehouse.append("events", wider, key="2").pin
    with lakehouse.catalog.load("events").update_schema() as update:
        update.rename_column("name", "title")
    assert lakehouse.schema(events).names == ["id", "at", "name"]
    assert _ids(lakehouse, events, OneOf("name", ("n6",))) == [6]
    assert lakehouse.read_table(events).num_rows == 7
    assert lakehouse.read_table(new, ["more"])["more"].to_pylist().count(None) == 7


def test_a_table_without_a_snapshot_has_no_rows(lakehouse: Lakehouse) -> None:
    lakehouse.catalog.iceberg.create_table(
        "gold.bare", pa.schema([("id", pa.int64()), ("at", pa.timestamp("us"))])
    )
    pin = lakehouse.pin("bare")
    assert pin == Pin("gold.bare", None)
    assert lakehouse.read_table(pin).num_rows == 0
    assert lakehouse.newest(pin, "at") is None
    assert lakehouse.state("bare").rows == 0


def test_times_with_a_zone_and_dates_are_read_as_utc(lakehouse: Lakehouse, settings: Settings) -> None:
    lakehouse.exists("x")
    schema = Schema(
        NestedField(1, "id", LongType()),
        NestedField(2, "at", TimestamptzType()),
        NestedField(3, "day", DateType()),
    )
    table = load_catalog("iceberg", **settings.catalog_properties).create_table("gold.zoned", schema)
    table.append(
        pa.table(
            {
                "id": [1, 2],
                "at": pa.array([datetime(2020, 1, 1, 12, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
                "day": pa.array([date(2020, 1, 1), date(2020, 1, 2)]),
            }
        )
    )
    pin = lakehouse.pin("zoned")
    assert lakehouse.read_table(pin, ["at"])["at"].to_pylist() == [datetime(2020, 1, 1, 12)] * 2
    assert _ids(lakehouse, pin, TimeRange("at", datetime(2020, 1, 1, 12), datetime(2020, 1, 1, 13))) == [1, 2]
    assert _ids(lakehouse, pin, TimeRange("day", datetime(2020, 1, 1, 0, 0, 1))) == [2]
    assert _ids(lakehouse, pin, TimeRange("day", None, datetime(2020, 1, 2))) == [1]
    assert _ids(lakehouse, pin, TimeRange("day", None, datetime(2020, 1, 2, 0, 0, 1))) == [1, 2]
    assert lakehouse.newest(pin, "at") == datetime(2020, 1, 1, 12, tzinfo=UTC)
    assert lakehouse.newest(pin, "day") == datetime(2020, 1, 2, tzinfo=UTC)


def test_the_newest_time_is_exact_and_aware(lakehouse: Lakehouse, events: Pin) -> None:
    assert lakehouse.newest(events, "at") == MONTHS[5].replace(tzinfo=UTC)
    late = datetime(2020, 6, 1, 0, 0, 0, 1)
    pin = lakehouse.append("events", _events([late]), key="2").pin
    assert lakehouse.newest(pin, "at") == late.replace(tzinfo=UTC)
    assert lakehouse.newest(events, "at") == MONTHS[5].replace(tzinfo=UTC)
    with pytest.raises(TypeMismatch):
        lakehouse.newest(pin, "id")


def test_nulls_alone_have_no_newest_time(lakehouse: Lakehouse) -> None:
    pin = lakehouse.append("empty", _events([None, None]), key="1").pin
    assert lakehouse.newest(pin, "at") is None


def _delete_first_row(lakehouse: Lakehouse, name: str) -> Pin:
    """A position delete as Trino writes it: PyIceberg reads them, and writes none itself."""
    table = lakehouse.catalog.load(name)
    (task,) = table.scan().plan_files()
    path = f"{table.location()}/data/delete.parquet"
    columns = {"file_path": pa.array([task.file.file_path]), "pos": pa.array([0], pa.int64())}
    with table.io.new_output(path).create() as file:
        pq.write_table(pa.table(columns), file)
    deletes = DataFile.from_args(
        content=DataFileContent.POSITION_DELETES,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=1,
        file_size_in_bytes=len(table.io.new_input(path)),
        spec_id=0,
    )
    with table.transaction() as transaction, transaction.update_snapshot().fast_append() as append:
        append.append_data_file(deletes)
    return lakehouse.pin(name)


def test_rows_deleted_by_position_are_gone(lakehouse: Lakehouse) -> None:
    newest_first = _events(MONTHS[::-1])
    before = lakehouse.append("events", newest_first, key="1").pin
    after = _delete_first_row(lakehouse, "events")
    assert _ids(lakehouse, after) == [1, 2, 3, 4, 5]
    assert _ids(lakehouse, before) == [0, 1, 2, 3, 4, 5]
    assert lakehouse.state("events").rows == 5
    assert lakehouse.newest(after, "at") == MONTHS[4].replace(tzinfo=UTC)
    gone = MONTHS[5].replace(tzinfo=UTC)
    assert lakehouse.changes(before, after, "at") == Changes(0, 1, gone, gone)
    assert lakehouse.changes(Pin("gold.events", None), after, "at").added == 5
