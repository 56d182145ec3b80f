"""A table's metadata is parsed once, and never taken for newer or older than the catalog says."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.types import StringType

from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.lakehouse.house_catalog import KeptMetadata
from asgard_pipelines.settings import Settings

ROWS = pa.table({"id": [1, 2, 3]})


def test_metadata_that_did_not_move_is_parsed_once_for_all_of_the_process(
    lakehouse: Lakehouse, settings: Settings
) -> None:
    lakehouse.append("t", ROWS, key="1")
    first = lakehouse.catalog.load("t")
    again, elsewhere = lakehouse.catalog.load("t"), Lakehouse(settings).catalog.load("t")
    assert first.metadata is again.metadata is elsewhere.metadata
    assert first is not again  # a table is its holder's, and follows its commits
    lakehouse.append("t", ROWS, key="2")
    assert lakehouse.catalog.load("t").metadata is not first.metadata


def test_a_commit_of_another_process_is_seen_at_the_next_load(
    lakehouse: Lakehouse, settings: Settings
) -> None:
    lakehouse.append("t", ROWS, key="1")
    assert lakehouse.state("t").rows == 3
    code = (
        "import sys, pyarrow as pa; from pathlib import Path; "
        "from asgard_pipelines.settings import Settings; "
        "from asgard_pipelines.lakehouse import Lakehouse; "
        "Lakehouse(Settings(home=Path(sys.argv[1]))).append('t', pa.table({'id': [4]}), key='2')"
    )
    subprocess.run([sys.executable, "-c", code, str(settings.state_folder)], check=True)
    assert lakehouse.state("t").rows == 4


def test_a_table_that_was_dropped_and_made_anew_is_seen_as_it_is(lakehouse: Lakehouse) -> None:
    lakehouse.append("t", ROWS, key="1")
    old = lakehouse.catalog.load("t").metadata
    lakehouse.catalog.iceberg.drop_table("gold.t")
    assert not lakehouse.exists("t")
    lakehouse.append("t", pa.table({"name": ["a"]}), key="1")
    new = lakehouse.catalog.load("t").metadata
    assert new.table_uuid != old.table_uuid
    assert lakehouse.state("t").columns == {"name": "string"}


def test_a_table_that_was_put_back_to_what_it_was_is_seen_so(lakehouse: Lakehouse) -> None:
    lakehouse.append("t", ROWS, key="1")
    before = lakehouse.catalog.load("t")
    lakehouse.append("t", ROWS, key="2")
    assert lakehouse.state("t").rows == 6
    lakehouse.catalog.iceberg.drop_table("gold.t")
    lakehouse.catalog.iceberg.register_table("gold.t", before.metadata_location)
    assert lakehouse.state("t").rows == 3


def test_a_table_of_another_name_is_that_one_though_its_metadata_is_the_same(lakehouse: Lakehouse) -> None:
    lakehouse.append("t", ROWS, key="1")
    lakehouse.catalog.load("t")
    lakehouse.catalog.iceberg.rename_table("gold.t", "gold.u")
    assert lakehouse.catalog.load("u").name() == ("gold", "u")
    assert lakehouse.append("u", ROWS, key="2").rows == 3
    assert lakehouse.state("u").rows == 6


def test_what_is_kept_is_not_changed_by_what_is_begun_or_committed_on_it(lakehouse: Lakehouse) -> None:
    lakehouse.append("t", ROWS, key="1")
    kept = lakehouse.catalog.load("t").metadata
    as_it_was = kept.model_dump_json()
    given_up = lakehouse.catalog.load("t").transaction()
    given_up.set_properties({"colour": "red"})
    given_up.update_schema().add_column("more", StringType()).commit()
    assert lakehouse.catalog.load("t").metadata is kept
    lakehouse.append("t", ROWS.append_column("name", pa.array(["a", "b", "c"])), key="2")
    lakehouse.overwrite("t", ROWS, key="3", table_properties={"colour": "blue"})
    lakehouse.tag(lakehouse.pin("t"), "kept")
    lakehouse.set_properties("t", {"colour": "green"})
    assert kept.model_dump_json() == as_it_was


def test_what_was_committed_is_seen_by_every_thread_that_loads_afterwards(lakehouse: Lakehouse) -> None:
    def land(number: int) -> int:
        lakehouse.append("t", ROWS, key=str(number))
        return lakehouse.state("t").rows

    lakehouse.append("t", ROWS, key="first")
    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(land, range(8)))
    assert len(set(seen)) > 1
    assert min(seen) >= 6
    assert lakehouse.state("t").rows == 27


def test_so_many_tables_and_snapshots_are_kept_and_no_more(lakehouse: Lakehouse) -> None:
    lakehouse.append("t", ROWS, key="1")
    one = lakehouse.catalog.load("t").metadata

    def made(snapshots: int) -> TableMetadata:
        return one.model_copy(update={"snapshots": one.snapshots * snapshots})

    kept = KeptMetadata(tables=3, snapshots=10)
    for name in "abc":
        kept.keep(name, made(2))
    assert kept.find("a")
    kept.keep("d", made(2))  # one too many: what was used longest ago goes
    assert [name for name in "abcd" if kept.find(name)] == ["a", "c", "d"]
    kept.keep("e", made(6))
    assert [name for name in "abcde" if kept.find(name)] == ["c", "d", "e"]
    kept.keep("f", made(50))  # alone it stays, whatever its size
    assert [name for name in "abcdef" if kept.find(name)] == ["f"]
    kept.keep("g", made(1))
    assert [name for name in "abcdefg" if kept.find(name)] == ["g"]
    assert len(kept) == 1


def test_what_the_settings_leave_out_comes_from_pyicebergs_own_configuration(
    lakehouse: Lakehouse, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYICEBERG_CATALOG__ICEBERG__S3__ENDPOINT", "http://localhost:9000")
    monkeypatch.setenv("PYICEBERG_CATALOG__ICEBERG__WAREHOUSE", "file:///elsewhere")
    found = lakehouse.catalog.iceberg.properties
    assert found["s3.endpoint"] == "http://localhost:9000"
    assert found["warehouse"] == settings.catalog_properties["warehouse"]
