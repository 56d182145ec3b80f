"""After a materialization the store holds what the join gives, whatever happened to the table before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from asgard_pipelines.errors import NoDataFound
from asgard_pipelines.features.materialization.course import chosen_course
from asgard_pipelines.features.materialization.pushed import note_pushed
from asgard_pipelines.features.materialization.view_rows import ViewRows
from asgard_pipelines.features.push.rows import PushedRows
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Push, PushLog, materializations, watermark
from asgard_pipelines_tests.features.materialization.world import HOUR, LATER, NOON, TABLE, World, order

DAY = timedelta(days=1)
NOW = NOON.replace(tzinfo=UTC)


@pytest.fixture
def settings(stored_in: Settings) -> Settings:
    """In each of the stores."""
    return stored_in


@pytest.fixture
def world(settings: Settings) -> World:
    """Customers 1 to 4 ordered at noon, customer 1 the day before too; all of it is online."""
    made = World(settings)
    made.append(order(1, 5, NOON - DAY))
    made.append(*(order(customer, customer * 10) for customer in (1, 2, 3, 4)))
    made.materialize()
    assert made.amounts(1, 2, 3, 4, 5) == [10, 20, 30, 40, None]
    return made


def test_a_late_row_arrives_and_an_older_one_than_the_stored_does_not(world: World) -> None:
    world.append(order(5, 50, NOON - 30 * DAY), order(1, 7, NOON - HOUR))
    run = world.materialize()
    assert world.amounts(1, 5) == [10, 50]
    assert (run.kind, run.written, run.skipped, run.rows_read, run.files_read) == ("difference", 1, 1, 2, 1)


def test_a_restatement_arrives_older_equal_or_newer(world: World) -> None:
    world.restate([1], order(1, 11, NOON))
    world.restate([2], order(2, 21, NOON - HOUR))
    world.restate([3], order(3, 31, NOON + HOUR))
    run = world.materialize()
    assert world.amounts(1, 2, 3, 4) == [11, 21, 31, 40]
    assert run.written == 3


def test_a_restatement_to_a_lower_value_at_the_same_instant_arrives(world: World) -> None:
    world.restate([3], order(3, 1, NOON))
    world.materialize()
    assert world.amounts(3) == [1]


def test_of_equal_event_times_the_later_created_wins_then_the_greatest_values(world: World) -> None:
    world.append(order(1, 2, NOON, created=NOON), order(2, 2, NOON), order(3, 99, NOON))
    world.append(order(4, 1, NOON, created=NOON), order(4, 2, NOON, created=NOON + HOUR))
    world.materialize()
    assert world.amounts(1, 2, 3, 4) == [2, 20, 99, 2]
    assert world.online([1, 2, 3, 4]) == world.offline([1, 2, 3, 4])


def test_of_equal_times_a_row_that_was_rewritten_meanwhile_counts_too(world: World) -> None:
    """It stands in a file that came, as it stood before: compaction and landing reach the store at once."""
    world.append(order(1, 30), order(2, 20))
    world.materialize()
    world.compact()
    world.append(order(1, 10), order(2, 40))
    world.materialize()
    assert world.amounts(1, 2) == [30, 40]
    assert world.online([1, 2]) == world.offline([1, 2])


def test_a_deletion_puts_back_what_survives(world: World) -> None:
    newest = max(n for n in world.numbers() if n % 10_000 == 0)  # customer 1's order of noon
    world.delete_rows(newest)
    run = world.materialize()
    assert world.amounts(1, 2) == [5, 20]
    assert run.written == 1


def test_a_key_that_is_gone_is_gone_online(world: World) -> None:
    world.restate([1, 2])
    world.materialize()
    assert world.amounts(1, 2, 3) == [None, None, 30]
    assert world.store.count(world.view) == 2


def test_what_was_pushed_meanwhile_stays_whatever_is_deleted(world: World) -> None:
    row = stored(2, 77).set_column(3, "at", pa.array([NOON + HOUR], pa.timestamp("us")))
    world.store.write(world.view, row)
    world.restate([2])
    world.materialize()
    assert world.amounts(2) == [77]


def test_of_many_pushes_that_reached_the_table_the_last_tells_and_one_that_was_removed_goes(
    world: World,
) -> None:
    for number in range(5):
        pin = world.append(order(10 + number, number))
        world.store.write(world.view, stored(10 + number, number))
        note_pushed(world.settings, world.lakehouse, world.declarations, world.view, pin, 1, NOW)
    rows = ViewRows.of(world.declarations, world.view, 1)
    course = chosen_course(world.settings, world.lakehouse, world.store, rows, world.restate([12]))
    assert [former.pin for former in course.others] == [pin]
    world.materialize()
    assert world.amounts(10, 11, 12, 13, 14) == [0, 1, None, 3, 4]


def stored(customer: int, amount: int) -> pa.Table:
    """A row as the store takes it."""
    return pa.table(
        {
            "customer_id": pa.array([customer], pa.int64()),
            "amount": pa.array([amount], pa.int64()),
            "city": pa.array([None], pa.string()),
            "at": pa.array([NOON], pa.timestamp("us")),
            "created": pa.array([None], pa.timestamp("us")),
        }
    )


def test_compaction_writes_nothing(world: World) -> None:
    world.compact()
    run = world.materialize()
    assert (run.written, run.skipped) == (0, 0)
    assert run.rows_read == 10  # five rows, before and after


def test_a_column_that_the_view_does_not_read_may_change(world: World) -> None:
    rows = [row | {"n": None} for row in world.lakehouse.read_table(world.pin).to_pylist()]
    world.restate([1, 2, 3, 4], *rows)
    world.materialize()
    assert world.online([1, 2, 3, 4]) == world.offline([1, 2, 3, 4])


def test_nothing_changed_reads_and_writes_nothing(world: World) -> None:
    run = world.materialize()
    assert (run.rows_read, run.written, run.files_read, run.bytes_read) == (0, 0, 0, 0)


def test_a_row_dated_in_the_future_counts_when_its_time_has_come(world: World) -> None:
    world.append(order(1, 99, NOON + DAY), order(2, 98, NOON, created=NOON + DAY))
    before = LATER  # the first run was as of later; another view starts afresh
    world.store.drop(world.view)
    now = (NOON + HOUR).replace(tzinfo=UTC)
    assert world.materialize(as_of=now).kind == "whole"
    assert world.amounts(1, 2, as_of=now) == [10, 20]
    run = world.materialize(as_of=before)
    assert world.amounts(1, 2) == [99, 98]
    assert (run.kind, run.written) == ("difference", 2)


def test_a_row_counts_when_its_time_has_come_though_its_file_was_written_anew(settings: Settings) -> None:
    world = World(settings)
    world.append(order(1, 5), order(2, 99, NOON + DAY), order(3, 98, NOON, created=NOON + DAY))
    world.materialize(as_of=(NOON + HOUR).replace(tzinfo=UTC))
    assert world.amounts(1, 2, 3) == [5, None, None]
    world.compact()
    assert world.materialize(as_of=LATER).written == 2
    assert world.amounts(1, 2, 3) == [5, 99, 98]


def test_a_backfill_never_makes_a_value_older(world: World) -> None:
    world.append(order(2, 1, NOON - 3 * DAY), order(6, 60, NOON - 3 * DAY), order(7, 70, NOON - 9 * DAY))
    run = world.materialize(window=(NOON - 4 * DAY, NOON - 2 * DAY))
    assert world.amounts(2, 6, 7) == [20, 60, None]
    assert (run.kind, run.written, run.skipped) == ("window", 1, 1)
    mark = watermark(world.settings, "orders", run.store)
    assert mark is not None
    assert mark.kind == "whole"
    world.materialize()
    assert world.amounts(2, 6, 7) == [20, 60, 70]


def test_what_only_a_window_brought_is_taken_back_when_it_is_deleted(world: World) -> None:
    world.append(order(6, 60, NOON))
    world.materialize(window=(NOON, NOON))
    assert world.amounts(6) == [60]
    world.restate([6])
    world.materialize()
    assert world.amounts(6) == [None]


def test_an_older_row_that_a_window_brought_is_taken_back_too(world: World) -> None:
    world.append(order(6, 60, NOON), order(6, 61, NOON + HOUR))
    world.materialize(window=(NOON, NOON))
    assert world.amounts(6) == [60]
    world.restate([6])
    world.materialize()
    assert world.amounts(6) == [None]


def test_a_window_leaves_out_what_was_not_created_yet(world: World) -> None:
    world.append(order(6, 60, created=NOON + DAY), order(6, 59, created=NOON))
    world.materialize(as_of=(NOON + HOUR).replace(tzinfo=UTC), window=(NOON, NOON))
    assert world.amounts(6) == [59]


def test_ten_windows_at_once_leave_the_newest_and_lose_no_record(world: World) -> None:
    days = range(10)
    world.append(*(order(9, day, NOON + day * DAY) for day in days))
    with ThreadPoolExecutor(10) as pool:
        windows = [(NOON + day * DAY, NOON + day * DAY + HOUR) for day in days]
        runs = list(pool.map(lambda window: world.materialize(window=window), windows))
    assert world.amounts(9) == [9]
    kept = materializations(world.settings, view="orders")
    assert {run.run_id for run in runs} <= {run.run_id for run in kept if run.status == "completed"}


def test_runs_at_once_for_several_snapshots_end_at_the_newest(world: World) -> None:
    pins = [world.append(order(8, number, NOON + number * HOUR)) for number in range(6)]
    pins.append(world.restate([8], order(8, 100, NOON)))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(world.materialize, pins))
    world.materialize()
    assert world.amounts(8) == [100]
    assert world.online([1, 2, 3, 4, 8]) == world.offline([1, 2, 3, 4, 8])


def test_the_watermark_never_goes_back(world: World) -> None:
    old = world.pin
    new = world.append(order(1, 111, NOON + HOUR))
    world.materialize(new)
    late = world.materialize(old)
    assert world.amounts(1) == [111]
    assert late.remark is not None
    mark = watermark(world.settings, "orders", late.store)
    assert mark is not None
    assert mark.to_snapshot == new.snapshot_id


def test_a_table_that_was_rolled_back_is_followed(world: World) -> None:
    old = world.pin
    world.append(order(1, 111, NOON + HOUR), order(6, 60))
    world.materialize()
    table = world.lakehouse.catalog.load(TABLE)
    assert old.snapshot_id is not None
    table.manage_snapshots().rollback_to_snapshot(old.snapshot_id).commit()
    world.materialize()
    assert world.amounts(1, 6) == [10, None]


def test_an_expired_watermark_costs_the_whole_state_and_is_said(world: World) -> None:
    old = world.pin
    world.append(order(6, 60))
    world.lakehouse.untag(TABLE, list(world.lakehouse.tags(TABLE)))
    table = world.lakehouse.catalog.load(TABLE)
    table.maintenance.expire_snapshots().by_id(old.snapshot_id).commit()
    run = world.materialize()
    assert run.kind == "whole"
    assert run.remark is not None
    assert "is gone" in run.remark
    assert world.amounts(1, 6) == [10, 60]


def test_of_a_table_that_was_made_anew_nothing_old_stays(world: World) -> None:
    world.made_anew(order(1, 1, NOON - DAY), order(2, 22, NOON), order(6, 66, NOON + HOUR))
    run = world.materialize()
    assert run.remark is not None
    assert "is gone" in run.remark
    assert world.amounts(1, 2, 3, 4, 6) == [1, 22, None, None, 66]
    assert world.store.count(world.view) == 3
    assert world.materialize().kind == "difference"


def test_a_push_that_no_table_has_yet_stays_though_the_table_was_made_anew(world: World) -> None:
    for customer, amount in ((2, 77), (7, 78)):
        log_push(world.settings, customer, amount)
        world.store.write(world.view, stored(customer, amount))
    world.store.write(world.view, stored(8, 79))
    world.made_anew(order(2, 1, NOON - DAY))
    world.materialize()
    assert world.amounts(1, 2, 7, 8) == [None, 77, 78, None]


def test_what_was_flushed_goes_with_the_table_that_it_was_flushed_into(settings: Settings) -> None:
    world = World(settings)
    world.append()
    world.materialize()
    pin = world.append(order(1, 10))
    world.store.write(world.view, stored(1, 10))
    note_pushed(settings, world.lakehouse, world.declarations, world.view, pin, 1, NOW)
    world.made_anew(order(2, 20))
    world.materialize()
    assert world.amounts(1, 2) == [None, 20]


def test_of_a_table_that_the_view_left_nothing_stays_though_it_was_dropped(world: World) -> None:
    world.lakehouse.append("gold.returns", world.numbered([order(1, 1, NOON - DAY)]), key="returns")
    world.lakehouse.catalog.iceberg.drop_table(TABLE)
    world.declare(table="gold.returns")
    world.materialize(world.lakehouse.pin("gold.returns"))
    assert world.amounts(1, 2) == [1, None]


def log_push(settings: Settings, customer: int, amount: int) -> None:
    """As `stored`, on disk before it is online."""
    event = (NOON - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    columns = {"customer_id": [customer], "amount": [amount], "city": [None]}
    log = PushLog(settings)
    log.write(
        [Push(f"push {customer}", "", "{}", {"orders": (1, PushedRows(columns, [event], [event]).bytes())})]
    )
    log.close()


def test_the_snapshot_of_the_watermark_cannot_expire_and_no_other_is_held(world: World) -> None:
    for number in range(3):
        world.append(order(6, number, NOON + number * HOUR))
        world.materialize()
    assert list(world.lakehouse.tags(TABLE).values()) == [world.pin.snapshot_id]


def test_another_declaration_writes_the_whole_state_older_rows_too(world: World) -> None:
    world.append(order(1, 9, NOON - 2 * DAY, created=NOON + DAY))
    world.restate([3])
    world.declare(timestamp="created", created_timestamp=None)
    run = world.materialize()
    assert (run.kind, run.remark) == ("whole", "The view is declared otherwise than before.")
    assert world.amounts(1, 2, 3) == [9, None, None]


def test_a_row_that_another_declaration_writes_again_counts_once(world: World) -> None:
    world.declare(features=world.view.features[:1])
    run = world.materialize()
    assert (run.kind, run.written, run.skipped) == ("whole", 4, 0)


def test_a_store_that_lost_its_data_gets_all_of_it_again(world: World) -> None:
    world.store.drop(world.view)
    run = world.materialize()
    assert run.remark == "The store lost what was written before."
    assert world.amounts(1, 2, 3, 4) == [10, 20, 30, 40]


def test_an_empty_table_is_an_error_only_where_rows_are_required(settings: Settings) -> None:
    world = World(settings)
    world.append()
    assert world.materialize().written == 0
    with pytest.raises(NoDataFound, match="No data found in source"):
        world.materialize(require_rows=True)
    failed = materializations(settings, view="orders")[0]
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.startswith("No data found in source")
