"""Commits: once per key, atomic, evolving the schema only where nothing is lost."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy.exc import OperationalError

from asgard_pipelines.errors import (
    BackendUnavailable,
    ColumnNotFound,
    Conflict,
    Invalid,
    TypeMismatch,
    Unsupported,
)
from asgard_pipelines.lakehouse import BaseMoved, Lakehouse, OneOf, Pin, TimeRange
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.contracts.deletes import delete_by_equality

ROWS = pa.table({"id": [1, 2, 3]})
MAP = pa.map_(pa.string(), pa.int64())
NAMES = count()


def _ids(lakehouse: Lakehouse, pin: Pin) -> list[int]:
    return sorted(lakehouse.read_table(pin, ["id"])["id"].to_pylist())


def test_the_same_key_lands_once(lakehouse: Lakehouse) -> None:
    first = lakehouse.append("t", ROWS, key="k", properties={"asgard.model_version": "v1"})
    other = lakehouse.append("t", ROWS, key="other")
    again = lakehouse.append("t", ROWS, key="k")
    assert (first.landed, first.rows) == (True, 3)
    assert (again.landed, again.rows, again.pin) == (False, 3, first.pin)
    assert _ids(lakehouse, other.pin) == [1, 1, 2, 2, 3, 3]
    assert lakehouse.summary(first.pin)["asgard.model_version"] == "v1"
    assert lakehouse.find("t", "k") == first.pin
    assert lakehouse.find("t", "none") is None
    assert lakehouse.find("none", "k") is None


def test_an_overwrite_replaces_what_meets_its_predicates_in_one_commit(lakehouse: Lakehouse) -> None:
    lakehouse.append("t", ROWS, key="1")
    done = lakehouse.overwrite(
        "t", pa.table({"id": [9]}), where=[OneOf("id", (2, 3))], key="2", table_properties={"p": "v"}
    )
    table = lakehouse.catalog.load("t")
    assert _ids(lakehouse, done.pin) == [1, 9]
    assert done.rows == 1
    assert lakehouse.state("t").properties["p"] == "v"
    assert (
        len({entry.metadata_file for entry in table.metadata.metadata_log}) == 1
    )  # one commit after the first
    assert lakehouse.find("t", "2") == done.pin  # and not the half-way snapshot that PyIceberg makes
    assert not lakehouse.overwrite("t", ROWS, key="2").landed


def test_an_overwrite_of_everything_leaves_its_rows_alone(lakehouse: Lakehouse) -> None:
    lakehouse.append("t", ROWS, key="1")
    assert _ids(lakehouse, lakehouse.overwrite("t", pa.table({"id": [7]}), key="2").pin) == [7]
    assert (
        _ids(lakehouse, lakehouse.overwrite("t", pa.table({"id": pa.array([], pa.int64())}), key="3").pin)
        == []
    )


def test_an_overwrite_that_finds_nothing_just_adds_and_does_not_warn(lakehouse: Lakehouse) -> None:
    lakehouse.append("t", ROWS, key="1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = lakehouse.overwrite("t", pa.table({"id": [9]}), where=[OneOf("id", (77,))], key="2")
    assert _ids(lakehouse, done.pin) == [1, 2, 3, 9]


def test_an_overwrite_keeps_nulls_that_its_predicates_do_not_name(lakehouse: Lakehouse) -> None:
    lakehouse.append("t", pa.table({"id": [1, None, 3]}), key="1")
    done = lakehouse.overwrite("t", pa.table({"id": [9]}), where=[OneOf("id", (1,))], key="2")
    assert Counter(lakehouse.read_table(done.pin)["id"].to_pylist()) == Counter([9, None, 3])


def test_an_overwrite_for_another_base_is_refused(lakehouse: Lakehouse) -> None:
    base = lakehouse.append("t", ROWS, key="1").pin
    lakehouse.append("t", ROWS, key="2")
    with pytest.raises(BaseMoved):
        lakehouse.overwrite("t", ROWS, key="3", base=base)
    with pytest.raises(BaseMoved):
        lakehouse.set_properties("t", {"a": "b"}, base=base)
    with pytest.raises(BaseMoved):
        lakehouse.overwrite("t", ROWS, key="3", base=Pin("gold.t", None))


@pytest.mark.parametrize("partition_by", ["month(at)", "day(at)"])
def test_a_table_is_made_partitioned(lakehouse: Lakehouse, partition_by: str) -> None:
    rows = pa.table({"at": pa.array([datetime(2020, 1, 1), datetime(2020, 2, 1)], pa.timestamp("us"))})
    pin = lakehouse.append("t", rows, key="1", partition_by=partition_by).pin
    assert len(lakehouse.catalog.load("t").inspect.files()) == 2
    assert lakehouse.read_table(pin).num_rows == 2
    done = lakehouse.overwrite("t", rows.slice(0, 1), where=[TimeRange("at", datetime(2020, 2, 1))], key="2")
    assert lakehouse.read_table(done.pin)["at"].to_pylist() == [datetime(2020, 1, 1)] * 2


def test_a_wrong_partition_is_refused(lakehouse: Lakehouse) -> None:
    with pytest.raises(Invalid, match="month"):
        lakehouse.append("t", ROWS, key="1", partition_by="year(id)")
    with pytest.raises(ColumnNotFound):
        lakehouse.append("t", ROWS, key="1", partition_by="month(at)")
    assert not lakehouse.exists("t")


def test_new_columns_are_added_and_null_in_older_rows(lakehouse: Lakehouse) -> None:
    lakehouse.append("t", ROWS, key="1")
    pin = lakehouse.append("t", pa.table({"tags": [["a"]], "id": [4]}), key="2").pin
    assert lakehouse.read_table(pin).sort_by("id").to_pylist() == [
        {"id": 1, "tags": None},
        {"id": 2, "tags": None},
        {"id": 3, "tags": None},
        {"id": 4, "tags": ["a"]},
    ]


WIDENED = [
    (pa.array([1], pa.int32()), pa.array([2**40]), "int64", [1, 2**40]),
    (pa.array([1]), pa.array([2], pa.int32()), "int64", [1, 2]),
    (pa.array([1.5], pa.float32()), pa.array([0.1]), "float64", [1.5, 0.1]),
    (pa.array([0.5]), pa.array([Decimal("1.25")]), "float64", [0.5, 1.25]),
    (
        pa.array([Decimal("1.25")], pa.decimal128(5, 2)),
        pa.array([Decimal("99999.25")], pa.decimal128(9, 2)),
        "decimal(9, 2)",
        [Decimal("1.25"), Decimal("99999.25")],
    ),
    (
        pa.array([datetime(2020, 1, 1)], pa.timestamp("us")),
        pa.array([date(2020, 1, 2)]),
        "timestamp",
        [datetime(2020, 1, 1), datetime(2020, 1, 2)],
    ),
    (
        pa.array([datetime(2020, 1, 1)], pa.timestamp("us")),
        pa.array([datetime(2020, 1, 2, tzinfo=UTC)], pa.timestamp("ns", "UTC")),
        "timestamp",
        [datetime(2020, 1, 1), datetime(2020, 1, 2)],
    ),
    (pa.array(["a"]), pa.array(["b"]).dictionary_encode(), "string", ["a", "b"]),
    (pa.array(["a"]), pa.nulls(1), "string", ["a", None]),
]


@pytest.mark.parametrize(("held", "given", "kind", "values"), WIDENED)
def test_a_column_widens_where_nothing_is_lost(
    shared: Lakehouse, held: pa.Array, given: pa.Array, kind: str, values: list[object]
) -> None:
    name = f"t{next(NAMES)}"
    shared.append(name, pa.table({"x": held, "n": [0]}), key="1")
    pin = shared.append(name, pa.table({"x": given, "n": [1]}), key="2").pin
    assert shared.state(name).columns["x"] == kind
    assert shared.read_table(pin).sort_by("n")["x"].to_pylist() == values


REFUSED = [
    (pa.array([1]), pa.array(["a"])),
    (pa.array([1]), pa.array([1.5])),
    (pa.array([1.5]), pa.array([1])),
    (pa.array(["a"]), pa.array([1])),
    (pa.array([True]), pa.array([1])),
    (pa.array([date(2020, 1, 1)]), pa.array([datetime(2020, 1, 1)], pa.timestamp("us"))),
    (pa.array([Decimal("1.25")]), pa.array([1.5])),
]


@pytest.mark.parametrize(("held", "given"), REFUSED)
def test_a_changed_kind_is_refused_and_nothing_lands(
    shared: Lakehouse, held: pa.Array, given: pa.Array
) -> None:
    name = f"t{next(NAMES)}"
    pin = shared.append(name, pa.table({"x": held}), key="1").pin
    with pytest.raises(TypeMismatch, match=rf"Column 'x' of 'gold\.{name}'"):
        shared.append(name, pa.table({"x": given}), key="2")
    assert shared.pin(name) == pin


@pytest.mark.parametrize(
    "column",
    [
        pa.nulls(1),
        pa.array([2**63], pa.uint64()),
        pa.array([1], pa.timestamp("ns")),
        pa.array([1], pa.duration("s")),
    ],
)
def test_what_no_column_can_hold_is_refused(shared: Lakehouse, column: pa.Array) -> None:
    with pytest.raises(TypeMismatch, match="'x'"):
        shared.append("refused", pa.table({"x": column}), key="1")


def test_two_names_that_differ_only_in_case_are_refused(lakehouse: Lakehouse) -> None:
    lakehouse.append("t", ROWS, key="1")
    with pytest.raises(TypeMismatch, match="case"):
        lakehouse.append("t", pa.table({"ID": [1]}), key="2")


def test_small_integers_are_stored_as_int32(lakehouse: Lakehouse) -> None:
    rows = pa.table(
        {"a": pa.array([1], pa.int8()), "b": pa.array([1], pa.uint16()), "c": pa.array([1], pa.uint32())}
    )
    lakehouse.append("t", rows, key="1")
    assert lakehouse.state("t").columns == {"a": "int32", "b": "int32", "c": "int64"}


def files_of(lakehouse: Lakehouse, table: str) -> set[str]:
    """The Parquet files in a table's folder, whether a snapshot names them or not."""
    folder = Path(lakehouse.state(table).location.removeprefix("file://"))
    return {path.name for path in folder.rglob("*.parquet")}


def test_a_lost_race_is_tried_again_with_the_files_that_stand_already(lakehouse: Lakehouse) -> None:
    """A reader is spent by the first try; a try that wrote anew would write nothing."""
    lakehouse.append("t", ROWS, key="1")
    made = count()

    def reader() -> pa.RecordBatchReader:
        next(made)
        lakehouse.append("t", ROWS, key="a rival")  # between our look at the table and our commit
        return pa.table({"id": [4]}).to_reader()

    done = lakehouse.append("t", reader, key="2")
    assert (done.rows, next(made)) == (1, 1)
    assert _ids(lakehouse, done.pin) == [1, 1, 2, 2, 3, 3, 4]
    assert len(files_of(lakehouse, "t")) == 3


@pytest.mark.parametrize("rival", [{"id": [9], "n": [1]}, {"n": [1], "id": [9]}])
@pytest.mark.parametrize("exists", [True, False])
def test_rows_are_written_anew_when_somebody_else_lays_the_table_out_meanwhile(
    lakehouse: Lakehouse, exists: bool, rival: dict[str, list[int]]
) -> None:
    if exists:
        lakehouse.append("t", ROWS, key="1")
    made = count()

    def reader() -> pa.RecordBatchReader:
        next(made)
        lakehouse.append("t", pa.table(rival), key="a rival")
        return pa.table({"id": [4], "tag": ["x"]}).to_reader()

    done = lakehouse.append("t", reader, key="2")
    assert next(made) == 2
    rows = [row for row in lakehouse.read_table(done.pin).to_pylist() if row["id"] in (4, 9)]
    assert sorted(rows, key=lambda row: row["id"]) == [
        {"id": 4, "n": None, "tag": "x"},
        {"id": 9, "n": 1, "tag": None},
    ]


def test_a_table_of_the_same_columns_that_a_rival_makes_takes_the_same_files(lakehouse: Lakehouse) -> None:
    made = count()

    def reader() -> pa.RecordBatchReader:
        next(made)
        lakehouse.append("t", ROWS, key="a rival")
        return pa.table({"id": [4]}).to_reader()

    assert _ids(lakehouse, lakehouse.append("t", reader, key="2").pin) == [1, 2, 3, 4]
    assert next(made) == 1


def test_rows_that_fail_on_their_way_leave_no_file(lakehouse: Lakehouse) -> None:
    lakehouse.append("t", ROWS, key="1")
    before = files_of(lakehouse, "t")

    def fails() -> Iterator[pa.RecordBatch]:
        yield from pa.table({"id": np.arange(9_000_000)}).to_batches()
        assert len(files_of(lakehouse, "t")) == 2
        raise Invalid("no more")

    schema = pa.schema({"id": pa.int64()})
    with pytest.raises(Invalid, match="no more"):
        lakehouse.append("t", lambda: pa.RecordBatchReader.from_batches(schema, fails()), key="2")
    assert files_of(lakehouse, "t") == before


def test_a_stream_goes_into_the_partitions_and_files_that_hold_it(lakehouse: Lakehouse) -> None:
    """There are more partitions than files may be open."""
    days = [datetime(2020, 1, 1) + timedelta(days=n) for n in range(60)]
    rows = pa.table(
        {
            "at": pa.array(days * 2 + [None] * 2, pa.timestamp("us")),
            "map of": pa.array([[("a", n), ("b", None)] for n in range(122)], MAP),
        }
    )
    lakehouse.append("t", rows.slice(0, 0), key="1", partition_by="day(at)")
    pin = lakehouse.append("t", lambda: rows.to_reader(max_chunksize=7), key="2").pin
    files = lakehouse.catalog.load("t").inspect.files()
    assert (files.num_rows, sum(files["record_count"].to_pylist())) == (61, 122)
    held = lakehouse.read_table(pin)
    assert Counter(map(str, held.to_pylist())) == Counter(map(str, rows.to_pylist()))
    assert lakehouse.newest(pin, "at") == days[-1].replace(tzinfo=UTC)
    day = [OneOf("at", (days[3],))]
    assert lakehouse.read_table(pin, where=day).num_rows == 2


def test_a_stream_ends_its_files_at_the_size_that_the_table_asks_for(lakehouse: Lakehouse) -> None:
    lakehouse.append("t", ROWS, key="1")
    lakehouse.set_properties("t", {"write.target-file-size-bytes": str(70 * 2**20)})
    many = pa.table({"id": np.arange(20_000_000)})
    pin = lakehouse.overwrite("t", lambda: many.to_reader(max_chunksize=100_000), key="2").pin
    assert lakehouse.catalog.load("t").inspect.files().num_rows == 2
    assert lakehouse.read_table(pin).num_rows == 20_000_000


def test_a_commit_whose_answer_got_lost_is_found_and_not_repeated(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakehouse.append("t", ROWS, key="1")
    commit_table, failures = lakehouse.catalog.iceberg.commit_table, iter([True])

    def lose_the_answer(*args: object) -> object:
        answer = commit_table(*args)  # type: ignore[arg-type]
        if next(failures, False):
            raise OperationalError("COMMIT", {}, Exception("connection lost"))
        return answer

    monkeypatch.setattr(lakehouse.catalog.iceberg, "commit_table", lose_the_answer)
    done = lakehouse.append("t", pa.table({"id": [4]}), key="2")
    assert done.landed
    assert _ids(lakehouse, lakehouse.pin("t")) == [1, 2, 3, 4]


def test_a_catalog_that_stays_locked_is_given_up_in_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakehouse = Lakehouse(settings, commit_seconds=0.2)
    lakehouse.append("t", ROWS, key="1")

    def locked(*_: object) -> None:
        raise OperationalError("UPDATE", {}, Exception("database is locked"))

    monkeypatch.setattr(lakehouse.catalog.iceberg, "commit_table", locked)
    with pytest.raises(BackendUnavailable, match="database is locked"):
        lakehouse.append("t", ROWS, key="2")


def test_a_table_that_others_write_all_the_time_is_a_conflict_in_time(settings: Settings) -> None:
    lakehouse, rival = Lakehouse(settings, commit_seconds=0.2), Lakehouse(settings)
    lakehouse.append("t", ROWS, key="1")
    keys = count()

    def beaten(standing: Mapping[str, str]) -> dict[str, str]:
        rival.append("t", ROWS, key=f"rival {next(keys)}")
        return {}

    with pytest.raises(Conflict, match=r"gold\.t"):
        lakehouse.overwrite("t", ROWS, key="2", table_properties=beaten)


def test_a_key_is_found_through_expired_snapshots(lakehouse: Lakehouse) -> None:
    first = lakehouse.append("t", ROWS, key="1").pin
    second = lakehouse.append("t", ROWS, key="2").pin
    lakehouse.append("t", ROWS, key="3")
    lakehouse.tag(first, "kept")
    assert second.snapshot_id is not None
    lakehouse.catalog.load("t").maintenance.expire_snapshots().by_id(second.snapshot_id).commit()
    assert not lakehouse.append("t", ROWS, key="1").landed


def test_rows_of_a_table_with_equality_deletes_are_not_replaced_unseen(lakehouse: Lakehouse) -> None:
    pin = lakehouse.append("t", ROWS, key="1").pin
    delete_by_equality(lakehouse.catalog.load("t"), "id", 2)
    with pytest.raises(Unsupported, match=f"{pin.table}@.* has equality deletes"):
        lakehouse.overwrite("t", ROWS, where=[OneOf("id", (1,))], key="2")


WRITERS = """
import os, sys, pyarrow as pa
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.settings import Settings

def write(me, appends):
    lakehouse = Lakehouse(Settings.read())
    for n in range(appends):
        lakehouse.append("shared", pa.table({"id": [me * 1000 + n]}), key=f"{me}-{n}")
        lakehouse.append("shared", pa.table({"id": [-n]}), key=f"everyone-{n}")

processes, appends = int(sys.argv[1]), int(sys.argv[2])
for me in range(1, processes + 1):  # forked before anything is opened: importing once is dear enough
    if os.fork() == 0:
        write(me, appends)
        os._exit(0)
sys.exit(max(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(processes)))
"""


def test_processes_that_write_one_table_land_each_key_exactly_once(lakehouse: Lakehouse) -> None:
    """From nothing: they also race to make the catalog and the table."""
    processes, appends = 5, 3
    command = [sys.executable, "-c", WRITERS, str(processes), str(appends)]
    subprocess.run(command, check=True, timeout=120)
    expected = [me * 1000 + n for me in range(1, processes + 1) for n in range(appends)]
    assert _ids(lakehouse, lakehouse.pin("shared")) == sorted([*expected, *(-n for n in range(appends))])


def test_maps_land_whose_keys_were_taken_from_others(lakehouse: Lakehouse) -> None:
    """Arrow's own cast of such a map ends the process."""
    keys = pa.array(["a", "b"]).take(pa.array([0, 1, 0, 1]))
    maps = pa.MapArray.from_arrays(pa.array([0, 2, 4], pa.int32()), keys, pa.array([0.1, 0.9, 0.4, 0.6]))
    rows = pa.table({"p": pa.concat_arrays([maps, pa.nulls(1, maps.type)])})
    commit = lakehouse.append("t", rows, key="k")
    held = lakehouse.read_table(commit.pin)["p"].to_pylist()
    assert held == [[("a", 0.1), ("b", 0.9)], [("a", 0.4), ("b", 0.6)], None]
