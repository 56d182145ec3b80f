"""Pushes: each record a verdict, durable, online at once, in the lakehouse once."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from asgard_pipelines.declarations import Declarations, FeatureRef
from asgard_pipelines.errors import BackendUnavailable, Conflict, DeclarationNotFound
from asgard_pipelines.features import OnlineReads, apply
from asgard_pipelines.features.materialization import materialize
from asgard_pipelines.features.online import online_store
from asgard_pipelines.features.push.flush import flush_pushes
from asgard_pipelines.features.push.pushes import PushAnswer, Pushes
from asgard_pipelines.features.push.records import PushSource
from asgard_pipelines.lakehouse import Lakehouse, OneOf
from asgard_pipelines.project import init, load
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import unflushed_rows
from asgard_pipelines_tests.on_disk import pages_not_on_disk

_VIEWS = """
from feast import Entity, FeatureView, Field, Project, PushSource, ValueType
from feast.types import Float64, Int64, UnixTimestamp

from asgard_pipelines.features import gold

project = Project(name="shop", description="")
customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)
pushed = PushSource(
    name="sessions", batch_source=gold("sessions", timestamp_field="at", created_timestamp_column="made")
)
session = FeatureView(
    name="session",
    entities=[customer],
    schema=[
        Field(name="pages", dtype=Int64),
        Field(name="cart", dtype=Float64),
        Field(name="seen", dtype=UnixTimestamp),
    ],
    source=pushed,
    online=True,
)
"""
NOON = datetime(2025, 1, 1, 12)
REFS = [
    FeatureRef(view="session", feature=name, dtype=dtype)
    for name, dtype in (("pages", "int64"), ("cart", "float64"), ("seen", "timestamp"))
]


class World:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lakehouse = Lakehouse(settings)
        empty = pa.schema(
            [
                ("customer_id", pa.string()),
                ("pages", pa.int64()),
                ("cart", pa.float64()),
                ("seen", pa.timestamp("us")),
                ("at", pa.timestamp("us")),
                ("made", pa.timestamp("us")),
            ]
        )
        self.lakehouse.append("gold.sessions", empty.empty_table(), key="made")
        self.declarations: Declarations = load(settings)
        apply(settings)
        self.pushes = Pushes(settings, online_store(settings))
        self.online_file = Path(online_store(settings).address.removeprefix("sqlite:///"))

    def push(self, *records: dict[str, Any]) -> PushAnswer:
        return self.pushes.push(self.declarations, "sessions", records)

    def online(self, customer: str, as_of: datetime | None = None) -> list[Any]:
        prepared = OnlineReads(self.settings).prepare(self.declarations, REFS)
        answer = prepared.read({"customer": [customer]}, as_of)
        return [column[0] for column in answer.columns]

    def flush(self) -> int:
        return sum(one.rows for one in flush_pushes(self.settings, self.lakehouse, self.declarations))

    def landed(self) -> list[dict[str, Any]]:
        table = self.lakehouse.read_table(self.lakehouse.pin("gold.sessions"))
        return table.sort_by("made").to_pylist()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    init(tmp_path / "shop", empty=True)
    (tmp_path / "shop" / "repo.py").write_text(_VIEWS)
    monkeypatch.setenv("ASGARD_REPO", str(tmp_path / "shop"))
    monkeypatch.setenv("ASGARD_HOME", str(tmp_path / "home"))
    made = World(Settings.read())
    yield made
    made.pushes.close()


def _record(customer: str = "a", minute: int = 0, pages: Any = 1, **features: Any) -> dict[str, Any]:
    at = (NOON + timedelta(minutes=minute)).isoformat()
    return {
        "customer_id": customer,
        "event_timestamp": at,
        "features": {"pages": pages, "cart": 1.5, "seen": None} | features,
    }


def test_a_pushed_record_is_online_when_it_is_acknowledged_and_in_the_table_after_a_flush(
    world: World,
) -> None:
    record = _record(pages=3, seen="2025-01-01T13:00:00.000001+02:00")
    answer = world.pushes.push(world.declarations, "sessions", [record])
    assert (answer.accepted, answer.rejected, answer.errors) == (1, 0, [])
    assert world.online("a") == [3, 1.5, datetime(2025, 1, 1, 11, 0, 0, 1)]
    assert world.landed() == []
    assert world.flush() == 1
    [landed] = world.landed()
    assert landed["made"] is not None
    assert {k: landed[k] for k in ("customer_id", "pages", "at")} == {
        "customer_id": "a",
        "pages": 3,
        "at": NOON,
    }
    assert world.flush() == 0


def test_an_acknowledged_push_is_on_disk(world: World) -> None:
    log = Path(f"{world.settings.state_database.removeprefix('sqlite:///')}-wal")
    for size in (1, 1000):
        world.pushes.push(world.declarations, "sessions", [_record(str(key)) for key in range(size)])
        assert pages_not_on_disk(log) == 0


def test_what_a_flush_forgets_is_on_disk_in_the_online_store_too(world: World) -> None:
    world.pushes.push(world.declarations, "sessions", [_record()])
    online_log = Path(f"{world.online_file}-wal")
    assert pages_not_on_disk(online_log) > 0  # until then a recovery would bring it back
    world.flush()
    assert pages_not_on_disk(online_log) == 0


def test_what_gets_online_late_is_on_disk_there_for_a_flush_may_have_forgotten_it(world: World) -> None:
    world.pushes.push(world.declarations, "sessions", [_record()])
    with closing(sqlite3.connect(world.online_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = world.pushes.submit(world.declarations, "sessions", [_record(minute=1, pages=2)])
        time.sleep(0.7)
        other.execute("COMMIT")
        assert waiting.result().accepted == 1
    assert pages_not_on_disk(Path(f"{world.online_file}-wal")) == 0


def test_each_record_gets_a_verdict_of_its_own(world: World) -> None:
    records = [
        _record("good"),
        {**_record("no time"), "event_timestamp": "yesterday"},
        {"customer_id": "omits", "event_timestamp": "2025-01-01", "features": {"pages": 1}},
        _record("wrong", pages="many"),
        _record("extra", pagse=1),
        {**_record(), "customer_id": None},
        {**_record("list"), "features": [1]},
        {**_record("more"), "when": 1},
        _record("far", minute=60 * 24 * 365 * 50),
    ]
    answer = world.pushes.push(world.declarations, "sessions", records)
    assert (answer.accepted, answer.rejected) == (2, 7)
    assert [one["record"] for one in answer.errors] == [1, 2, 3, 4, 5, 6, 7]
    assert [one["field"] for one in answer.errors] == [
        "event_timestamp", "cart", "pages", "pagse", "customer_id", "features", "when",
    ]  # fmt: skip
    assert "Did you mean 'pages'" in answer.errors[3]["message"]
    assert [one["record"] for one in answer.warnings] == [8]
    assert world.online("good")[0] == 1
    assert world.online("wrong")[0] is None


def test_a_record_gets_the_same_verdict_alone_and_among_many(world: World) -> None:
    odd = [
        _record(pages=True),
        _record(pages=2**63),
        _record(pages=3.0, cart=2),
        _record(cart=float("inf")),
        _record(cart="1.5", pages="1"),
        _record(seen="2025-01-01T13:00:00+02:00"),
        _record(seen=5),
        {**_record(), "event_timestamp": 5},
        {**_record(), "event_timestamp": ["2025-01-01"]},
        {**_record(), "features": {"pages": 1, "cart": 1.0, "sene": None}},
        {**_record(), "when": 1},
        _record("ü"),
        _record(minute=60 * 24 * 365 * 50),
    ]
    source, now = PushSource(world.declarations, "sessions"), datetime.now(UTC)
    together = source.check([*odd, *[_record(str(key)) for key in range(40)]], now)
    alone = [source.check([one], now) for one in odd]
    assert [(one.field, one.message) for one in together.errors] == [
        (one.field, one.message) for each in alone for one in each.errors
    ]
    assert len(together.errors) == 8
    assert len(together.warnings) == sum(len(each.warnings) for each in alone) == 1
    right = sum(len(each.event) for each in alone)
    for name, column in together.columns.items():
        assert column[:right] == [value for each in alone for value in each.columns[name]]
    assert together.event[:right] == [at for each in alone for at in each.event]


def test_the_newest_event_time_wins_whatever_the_order_of_arrival(world: World) -> None:
    for minute in (5, 1, 9, 3):
        world.pushes.push(world.declarations, "sessions", [_record(minute=minute, pages=minute)])
    assert world.online("a")[0] == 9
    world.pushes.push(
        world.declarations, "sessions", [_record(minute=m, pages=100 + m) for m in (10, 12, 11)]
    )
    assert world.online("a")[0] == 112


def test_a_row_dated_ahead_hides_nothing_and_is_brought_when_its_time_has_come(world: World) -> None:
    world.push(_record("a", pages=1))
    soon = datetime.now(UTC) + timedelta(minutes=10)
    ahead = [_record("a", pages=2), _record("b", pages=3)]
    answer = world.push(*({**one, "event_timestamp": soon.isoformat()} for one in ahead))
    assert (answer.accepted, [one["record"] for one in answer.warnings]) == (2, [0, 1])
    world.pushes.recover(world.declarations)
    assert (world.online("a")[0], world.online("b")[0]) == (1, None)
    assert world.flush() == 3
    assert (world.online("a")[0], world.online("b")[0]) == (1, None)
    world.push(_record("a", minute=1, pages=4))
    assert world.online("a")[0] == 4
    view = world.declarations.view("session")
    for as_of, pages in ((None, 4), (soon, 2)):
        pin = world.lakehouse.pin(view.table)
        materialize(world.settings, world.lakehouse, world.declarations, view, pin, as_of=as_of)
        assert world.online("a", as_of=soon)[0] == pages


def test_a_sender_whose_clock_is_ahead_is_read_at_once(world: World) -> None:
    for minutes in (2, 4):
        at = datetime.now(UTC) + timedelta(minutes=minutes)
        answer = world.push({**_record("a", pages=minutes), "event_timestamp": at.isoformat()})
        assert (answer.accepted, answer.warnings) == (1, [])
        assert world.online("a")[0] == minutes
    assert world.online("a", as_of=datetime.now(UTC))[0] is None


def test_a_row_from_a_clock_that_is_ahead_goes_when_it_is_deleted_before_its_time(world: World) -> None:
    at = datetime.now(UTC) + timedelta(minutes=2)
    world.push({**_record("a", pages=5), "event_timestamp": at.isoformat()})
    world.flush()
    view, later = world.declarations.view("session"), at + timedelta(minutes=1)

    def bring() -> None:
        pin = world.lakehouse.pin(view.table)
        materialize(world.settings, world.lakehouse, world.declarations, view, pin)

    bring()
    assert world.online("a", as_of=later)[0] == 5
    where = [OneOf("customer_id", ("a",))]
    none = world.lakehouse.read_table(world.lakehouse.pin(view.table)).slice(0, 0)
    world.lakehouse.overwrite(view.table, none, where=where, key="gone")
    bring()
    assert world.online("a", as_of=later)[0] is None


def test_of_equal_event_times_the_last_acknowledged_wins_online_and_in_the_table(world: World) -> None:
    for pages in (4, 2, 3):
        world.pushes.push(world.declarations, "sessions", [_record(pages=pages)])
    world.pushes.push(world.declarations, "sessions", [_record(pages=8), _record(pages=7)])
    assert world.online("a")[0] == 7
    world.flush()
    assert [row["pages"] for row in world.landed()] == [4, 2, 3, 8, 7]


def test_the_same_push_id_is_taken_once_and_gets_its_first_answer(world: World) -> None:
    records = [_record(pages=1), _record("b", pages="x")]
    first = world.pushes.push(world.declarations, "sessions", records, "push_1")
    world.pushes.push(world.declarations, "sessions", [_record(minute=1, pages=2)])
    assert world.pushes.push(world.declarations, "sessions", records, "push_1") == first
    assert world.online("a")[0] == 2
    assert world.flush() == 2
    with pytest.raises(Conflict, match="other records"):
        world.pushes.push(world.declarations, "sessions", [_record(pages=5)], "push_1")


def test_pushes_of_many_threads_with_one_id_land_once(world: World) -> None:
    barrier = threading.Barrier(8)

    def push(_: int) -> str:
        barrier.wait()
        return world.pushes.push(world.declarations, "sessions", [_record()], "same").push_id

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(push, range(8))) == {"same"}
    assert world.flush() == 1


def test_many_pushes_at_once_are_all_there(world: World) -> None:
    def push(number: int) -> int:
        record = _record(str(number % 20), minute=number, pages=number)
        return world.pushes.push(world.declarations, "sessions", [record]).accepted

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(push, range(300))) == 300
    assert [world.online(str(customer))[0] for customer in range(20)] == [280 + c for c in range(20)]
    assert world.flush() == 300


def test_what_was_acknowledged_and_did_not_get_online_is_put_there_by_a_recovery(world: World) -> None:
    world.pushes.push(world.declarations, "sessions", [_record(pages=6)])
    online_store(world.settings).drop(world.declarations.view("session"))  # as if the process had died before
    assert world.online("a")[0] is None
    assert world.pushes.recover(world.declarations) == 1
    assert world.online("a")[0] == 6


def test_a_flush_that_died_after_its_commit_lands_nothing_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asgard_pipelines.features.push import flush

    world.pushes.push(world.declarations, "sessions", [_record()])

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(flush, "forget_rows", die)
        with pytest.raises(KeyboardInterrupt):
            world.flush()
    world.pushes.push(world.declarations, "sessions", [_record(minute=1, pages=2)])
    assert world.flush() == 2
    assert [row["pages"] for row in world.landed()] == [1, 2]
    assert unflushed_rows(world.settings) == []


def test_who_waits_no_more_spoils_nothing_for_the_others(world: World) -> None:
    with closing(sqlite3.connect(world.online_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        records = [_record("a", pages=1)], [_record("b", pages=2)], [_record("c", pages=3)]
        waiting = [world.pushes.submit(world.declarations, "sessions", one) for one in records]
        waiting[1].cancel()
        other.execute("COMMIT")
        assert [one.result().accepted for one in waiting] == [1, 1, 1]
    assert [world.online(customer)[0] for customer in "abc"] == [1, 2, 3]


def test_an_unknown_push_source_is_refused_with_the_nearest_name(world: World) -> None:
    with pytest.raises(DeclarationNotFound, match="Did you mean 'sessions'"):
        world.pushes.push(world.declarations, "session", [_record()])


def test_after_its_end_nothing_is_taken(world: World) -> None:
    world.pushes.close()
    with pytest.raises(BackendUnavailable):
        world.pushes.push(world.declarations, "sessions", [_record()])


def test_a_run_that_was_given_a_snapshot_before_a_flush_takes_nothing_of_it_away(world: World) -> None:
    world.push(_record("a"))
    world.flush()
    before = world.lakehouse.pin("gold.sessions")
    world.push(_record("b", pages=2))
    world.flush()
    view = world.declarations.view("session")
    for _ in range(2):
        materialize(world.settings, world.lakehouse, world.declarations, view, before)
        assert (world.online("a")[0], world.online("b")[0]) == (1, 2)


def test_a_pushed_row_that_is_removed_before_any_run_saw_it_goes_offline_with_the_next(world: World) -> None:
    def materialize_now() -> None:
        view = world.declarations.view("session")
        pin = world.lakehouse.pin("gold.sessions")
        materialize(world.settings, world.lakehouse, world.declarations, view, pin)

    materialize_now()
    world.pushes.push(world.declarations, "sessions", [_record("a"), _record("b")])
    world.flush()
    gone = [OneOf("customer_id", ("a",))]
    nothing = world.lakehouse.schema(world.lakehouse.pin("gold.sessions")).empty_table()
    world.lakehouse.overwrite("gold.sessions", nothing, where=gone, key="forgotten")
    materialize_now()
    assert (world.online("a")[0], world.online("b")[0]) == (None, 1)
