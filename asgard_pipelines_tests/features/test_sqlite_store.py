"""What only SQLite brings with it: Feast's time zone, files that go away, tables that Feast makes anew."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.features.online import Written
from asgard_pipelines.features.online.sqlite import SqliteStore
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.contracts.online.stock import feast_with, online, written
from asgard_pipelines_tests.contracts.online.views import (
    ENTITIES,
    MICRO,
    NOON,
    SECOND,
    pages,
    prepared,
    read,
    rows,
    view,
    visit,
)

VISITS = view()
SETTINGS = Settings()


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore("shop", tmp_path / "folder" / "online.db")


@pytest.fixture(params=["Europe/Berlin", "America/St_Johns", "UTC"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("zone")
def test_in_any_time_zone_both_tell_the_same_times(store: SqliteStore, tmp_path: Path) -> None:
    feast = feast_with(tmp_path, "shop", {"type": "sqlite", "path": str(store.file.path)}, ENTITIES, [VISITS])
    for key, at in enumerate([NOON, NOON + timedelta(days=150)]):  # winter and summer
        store.write(VISITS, visit(VISITS, 1, at + MICRO, key=key))
        answer = feast.get_online_features(["visits:pages"], [{"visitor_id": key}])
        assert answer.proto.results[1].event_timestamps[0].ToDatetime() == at
        written(feast, "visits", visitor_id=[key], pages=[2], city=["x"], at=[at + SECOND])
        found = prepared(SETTINGS, store, VISITS).read({"visitor_id": [key]})
        assert (found.columns[0], found.event_times()[0]) == ([2], [at + SECOND])
        assert store.write(VISITS, visit(VISITS, 3, at + SECOND - MICRO, key=key)) == Written(0, 1)


def test_what_feast_restates_at_the_same_second_is_read(store: SqliteStore, tmp_path: Path) -> None:
    store.write(VISITS, visit(VISITS, 1, NOON))
    feast = feast_with(tmp_path, "shop", {"type": "sqlite", "path": str(store.file.path)}, ENTITIES, [VISITS])
    written(feast, "visits", visitor_id=[1, 2], pages=[2, 3], city=["x", None], at=[NOON, NOON])
    assert read(SETTINGS, store, VISITS, visitor_id=[1, 2]) == [(2, "x"), (3, None)]
    store.write(VISITS, visit(VISITS, 4, NOON))
    assert pages(SETTINGS, store, VISITS) == 4


def test_features_that_only_feast_knows_count_when_it_writes_them(store: SqliteStore, tmp_path: Path) -> None:
    store.write(VISITS, visit(VISITS, 1, NOON))
    other = view(features={"stars": "float64"})
    feast = feast_with(tmp_path, "shop", {"type": "sqlite", "path": str(store.file.path)}, ENTITIES, [other])
    written(feast, "visits", visitor_id=[1], stars=[0.5], at=[NOON + SECOND])
    assert read(SETTINGS, store, other, visitor_id=[1]) == [(0.5,)]
    assert store.write(VISITS, visit(VISITS, 2, NOON + MICRO)) == Written(0, 1)


def test_a_table_that_feast_made_anew_has_nothing_of_the_one_before(
    store: SqliteStore, tmp_path: Path
) -> None:
    store.write(VISITS, rows(VISITS, visitor_id=[1, 2], pages=[1, 2], city=["a", "b"], at=NOON))
    with sqlite3.connect(store.file.path) as db:
        db.execute("DROP TABLE shop_visits")
    db.close()
    assert read(SETTINGS, store, VISITS, visitor_id=[1]) == [(None, None)]
    feast = feast_with(tmp_path, "shop", {"type": "sqlite", "path": str(store.file.path)}, ENTITIES, [VISITS])
    written(feast, "visits", visitor_id=[2], pages=[3], city=["c"], at=[NOON - SECOND])
    assert read(SETTINGS, store, VISITS, visitor_id=[1, 2]) == [(None, None), (3, "c")]
    assert store.write(VISITS, visit(VISITS, 4, NOON - SECOND, key=2)) == Written(1, 0)
    assert online(feast, VISITS, visitor_id=[1, 2]) == [(None, None), (4, "Bonn")]


def test_a_file_that_was_deleted_is_an_empty_store(store: SqliteStore) -> None:
    assert pages(SETTINGS, store, VISITS) is None
    assert not store.file.path.exists()  # reading makes nothing
    store.write(VISITS, visit(VISITS, 1, NOON))
    identity = store.identity("visits")
    for path in store.file.path.parent.iterdir():
        path.unlink()
    assert store.write(VISITS, visit(VISITS, 2, NOON - SECOND)) == Written(1, 0)
    assert pages(SETTINGS, store, VISITS) == 2
    assert store.identity("visits") != identity
    for path in store.file.path.parent.iterdir():
        path.unlink()
    time.sleep(0.15)
    assert pages(SETTINGS, store, VISITS) is None


def test_more_features_than_one_statement_takes(store: SqliteStore, tmp_path: Path) -> None:
    wide = view("wide", {f"f{number}": "int64" for number in range(1000)})
    values = {f"f{number}": [number, -number] for number in range(1000)}
    store.write(wide, rows(wide, visitor_id=[1, 2], at=NOON, **values))
    feast = feast_with(tmp_path, "shop", {"type": "sqlite", "path": str(store.file.path)}, ENTITIES, [wide])
    expected = tuple(range(1000))
    assert read(SETTINGS, store, wide, visitor_id=[1]) == online(feast, wide, visitor_id=[1]) == [expected]


def test_features_that_were_declared_later_are_null_until_they_are_written(store: SqliteStore) -> None:
    store.write(VISITS, visit(VISITS, 1, NOON))
    more = view(features={"city": "string", "stars": "float64", "pages": "int64"})
    assert read(SETTINGS, store, more, visitor_id=[1]) == [("Bonn", None, 1)]
    store.write(more, rows(more, visitor_id=[1], city=["Ulm"], stars=[0.5], pages=[2], at=NOON))
    assert read(SETTINGS, store, more, visitor_id=[1]) == [("Ulm", 0.5, 2)]
    assert read(SETTINGS, store, VISITS, visitor_id=[1]) == [(2, "Ulm")]


def test_a_file_that_is_no_store_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"no database, and long enough to be looked at" * 100)
    store = SqliteStore("shop", tmp_path / "file")
    with pytest.raises(BackendUnavailable, match="not a database"):
        pages(SETTINGS, store, VISITS)
    with pytest.raises(BackendUnavailable, match="not a database"):
        store.write(VISITS, visit(VISITS, 1, NOON))


def test_a_row_that_cannot_be_written_leaves_the_whole_batch_out(store: SqliteStore) -> None:
    store.write(VISITS, visit(VISITS, 1, NOON))
    with sqlite3.connect(store.file.path) as db:
        db.execute(
            "CREATE TRIGGER full BEFORE INSERT ON shop_visits WHEN NEW.feature_name = 'city' "
            "BEGIN SELECT RAISE(ABORT, 'no more'); END"
        )
    db.close()
    given = rows(VISITS, visitor_id=[1, 2], pages=[5, 6], city=["x", "y"], at=NOON + SECOND)
    with pytest.raises(BackendUnavailable, match="no more"):
        store.write(VISITS, given)
    assert read(SETTINGS, store, VISITS, visitor_id=[1, 2]) == [(1, "Bonn"), (None, None)]
    assert store.times(VISITS, pa.table({"visitor_id": [1]}))["event"].to_pylist() == [NOON]
