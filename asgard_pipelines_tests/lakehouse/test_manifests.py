"""Which data files a table's manifests list: what PyIceberg says, by readers that are made once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.table import FileScanTask
from pyiceberg.transforms import BucketTransform

from asgard_pipelines.lakehouse import Between, Lakehouse, Pin, Predicate, TimeRange
from asgard_pipelines.lakehouse.filters import expression
from asgard_pipelines.lakehouse.manifests import _entry_reader
from asgard_pipelines.lakehouse.reads import plan
from asgard_pipelines_tests.contracts.deletes import delete_by_position

START = datetime(2026, 1, 1)
WHERE: dict[str, list[Predicate]] = {
    "all": [],
    "a key": [Between("id", 3, 3)],
    "late ones": [TimeRange("at", start=START + timedelta(days=2))],
}


def _rows(first: int, count: int, *, wide: bool = False) -> pa.Table:
    numbers = range(first, first + count)
    rows = pa.table({"id": [*numbers], "at": [START + timedelta(hours=6 * number) for number in numbers]})
    return rows.append_column("city", pa.array(["a"] * count)) if wide else rows


def _told(tasks: list[FileScanTask]) -> dict[str, Any]:
    """All that is known of each file, and of what is deleted from it."""
    return {
        task.file.file_path: (
            [dict(value) if isinstance(value, Mapping) else value for value in task.file._data],
            task.file.spec_id,
            sorted(one.file_path for one in task.delete_files),
            str(task.residual),
        )
        for task in tasks
    }


@pytest.fixture(scope="module")
def table(shared: Lakehouse) -> list[Pin]:
    """A table at each of its snapshots: partitioned one way and then another, with columns and files that
    came and went, and delete files."""
    pins = [shared.append("t", _rows(0, 9), key="1", partition_by="day(at)").pin]
    pins.append(shared.append("t", _rows(9, 5, wide=True), key="2").pin)
    with shared.catalog.load("t").update_spec() as spec:
        spec.add_field("id", BucketTransform(4), "id_bucket")
    pins.append(shared.append("t", _rows(20, 9, wide=True), key="3").pin)
    pins.append(shared.overwrite("t", _rows(2, 12), where=[], key="4").pin)
    pins.append(shared.append("t", _rows(0, 2, wide=True), key="5").pin)
    delete_by_position(shared.catalog.load("t"), "id", {3, 4, 9}, Random(1))
    return [*pins, shared.pin("t")]


@pytest.mark.parametrize("where", WHERE.values(), ids=WHERE.keys())
@pytest.mark.parametrize("place", range(6))
def test_every_file_is_listed_as_pyiceberg_lists_it(
    shared: Lakehouse, table: list[Pin], place: int, where: list[Predicate]
) -> None:
    pinned = shared.catalog.pinned(table[place])
    condition = expression(where, pinned.schema, "gold.t")
    scan = shared.catalog.load("t").scan(condition, snapshot_id=table[place].snapshot_id)
    expected = _told(list(scan.plan_files()))
    assert expected
    assert _told(plan(pinned, condition)) == expected


def test_a_reader_is_made_once_for_manifests_of_one_schema(shared: Lakehouse) -> None:
    for number in range(5):
        shared.append("many", _rows(number, 1), key=str(number))
    pinned = shared.catalog.pinned(shared.pin("many"))
    _entry_reader.cache_clear()
    assert len(plan(pinned, AlwaysTrue())) == 5
    assert (_entry_reader.cache_info().misses, _entry_reader.cache_info().hits) == (1, 4)
