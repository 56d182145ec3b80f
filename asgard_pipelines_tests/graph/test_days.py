"""`online_days/<view>`: rows of chosen days brought online, and which days a span of dates holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from asgard_pipelines.features.online import online_store
from asgard_pipelines.graph import RunOutcome, asked_assets, open_instance, run_assets
from asgard_pipelines.graph.days import window_tags
from asgard_pipelines.graph.run_facts import platform_history
from asgard_pipelines.graph.run_history import RANGE_END, RANGE_START
from asgard_pipelines.state import Materialization, materializations

TABLE = "gold.customer_habits"
DAYS = dg.AssetKey(["online_days", "habits"])
FIRST = datetime(2024, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module", autouse=True)
def habits(shop: Any) -> None:
    """A customer of four days is online as of the last one; another one's two days have landed since."""
    for day in range(4):
        land(shop, FIRST + day * DAY, "a")
    keys = asked_assets(shop.declarations, ["habits"])
    assert run_assets(shop.settings, shop.declarations, keys).succeeded
    assert online(shop, "a") == FIRST + 3 * DAY
    for day in range(2):
        land(shop, FIRST + day * DAY, "b")
    assert online(shop, "b") is None


def land(shop: Any, at: datetime, customer: str) -> None:
    rows = {
        "customer_id": [customer],
        "orders": [1],
        "spent": [1.5],
        "idle_days": [3],
        "created_at": pa.array([at.replace(tzinfo=None)], pa.timestamp("us")),
    }
    shop.lakehouse.append(TABLE, pa.table(rows), key=f"{at} {customer}")


def online(shop: Any, customer: str) -> datetime | None:
    """The event time of the row that the store has of a customer."""
    store = online_store(shop.settings, shop.declarations.project)
    key = pa.table({"customer_id": [customer]})
    [at] = store.times(shop.declarations.view("habits"), key)["event"].to_pylist()
    return None if at is None else at.replace(tzinfo=UTC)


def ledger(shop: Any, run_id: str) -> Materialization:
    [run] = [one for one in materializations(shop.settings, view="habits") if one.dagster_run == run_id]
    return run


def run_days(shop: Any, first: str, last: str) -> RunOutcome:
    return run_assets(shop.settings, shop.declarations, [DAYS], partitions=(first, last))


def test_a_range_of_days_is_one_run_that_makes_nothing_older(shop: Any) -> None:
    outcome = run_days(shop, "2024-03-01", "2024-03-03")
    assert outcome.succeeded
    assert online(shop, "a") == FIRST + 3 * DAY
    assert online(shop, "b") == FIRST + DAY
    run = ledger(shop, outcome.run_id)
    assert (run.kind, run.written, run.skipped) == ("window", 1, 1)
    assert (run.window_start, run.window_end) == (FIRST, FIRST + 3 * DAY - timedelta(microseconds=1))
    with open_instance(shop.settings) as instance:
        assert instance.get_materialized_partitions(DAYS) == {"2024-03-01", "2024-03-02", "2024-03-03"}
        event = instance.get_latest_materialization_event(DAYS)
    assert event is not None
    assert event.asset_materialization is not None
    told = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    assert (told["asgard/rows_written"], told["asgard/rows_skipped"]) == (1, 1)
    assert told["asgard/window"] == "2024-03-01T00:00:00+00:00 to 2024-03-03T23:59:59.999999+00:00"


def test_rows_written_by_a_range_are_counted_once(shop: Any) -> None:
    with open_instance(shop.settings) as instance:
        history = platform_history(instance, shop.lakehouse, datetime.now(UTC) - DAY)
    assert [one.rows for one in history.written if "online_days/habits" in one.pipelines] == [1]


def test_a_run_without_days_says_that_it_needs_some(shop: Any) -> None:
    outcome = run_assets(shop.settings, shop.declarations, [DAYS])
    assert outcome.failures == ["online_days/habits: Choose the days whose rows shall be brought online."]


def test_a_span_marks_the_days_that_are_wholly_in_it(shop: Any) -> None:
    def marked(start: datetime, end: datetime) -> tuple[str | None, str | None]:
        tags = window_tags(shop.settings, (start, end))
        return tags.get(RANGE_START), tags.get(RANGE_END)

    last = timedelta(microseconds=1)
    assert marked(FIRST, FIRST + 2 * DAY - last) == ("2024-03-01", "2024-03-02")
    assert marked(FIRST, FIRST + 2 * DAY - 2 * last) == ("2024-03-01", "2024-03-01")
    assert marked(FIRST + last, FIRST + 2 * DAY) == ("2024-03-02", "2024-03-02")
    naive = FIRST.replace(tzinfo=None)
    assert marked(naive, naive + DAY) == ("2024-03-01", "2024-03-01")
    assert marked(FIRST, FIRST + timedelta(hours=23)) == (None, None)
    east = timezone(timedelta(hours=5))
    assert marked(FIRST.replace(tzinfo=east), FIRST.replace(tzinfo=east) + DAY) == (None, None)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert marked(today - DAY, today + DAY) == (f"{today - DAY:%Y-%m-%d}", f"{today - DAY:%Y-%m-%d}")
    assert marked(datetime(1970, 1, 1), datetime(1990, 1, 2)) == ("1990-01-01", "1990-01-01")
