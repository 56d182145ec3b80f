"""`online/<view>` in the graph: what a run tells, runs by dates, runs that were asked for by an id."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from asgard_pipelines.errors import FeatureViewNotFound, Invalid, NotFound
from asgard_pipelines.graph import (
    RunOutcome,
    asked_assets,
    asked_tags,
    new_materialization_id,
    open_instance,
    run_assets,
)
from asgard_pipelines.graph.materialization_runs import materialization_state
from asgard_pipelines.graph.run_history import not_online
from asgard_pipelines.state import materializations

TABLE = "gold.customer_habits"
MARCH = datetime(2024, 3, 1)
ONLINE = dg.AssetKey(["online", "habits"])


@pytest.fixture(scope="module", autouse=True)
def habits(shop: Any) -> None:
    """Two customers of March; nothing is online yet."""
    assert not_online(shop.settings, shop.declarations) == {"habits": "never materialized"}
    land(shop, MARCH, "a", "b")


def land(shop: Any, at: datetime, *customers: str, orders: int = 1) -> None:
    rows = {
        "customer_id": list(customers),
        "orders": [orders] * len(customers),
        "spent": [1.5] * len(customers),
        "idle_days": [3] * len(customers),
        "created_at": pa.array([at] * len(customers), pa.timestamp("us")),
    }
    shop.lakehouse.append(TABLE, pa.table(rows), key=f"{at} {customers}")


def run(shop: Any) -> RunOutcome:
    return run_assets(shop.settings, shop.declarations, asked_assets(shop.declarations, ["habits"]))


def run_by_dates(shop: Any, asked: str, window: tuple[datetime, datetime]) -> RunOutcome:
    assets = asked_assets(shop.declarations, ["habits"], window)
    tags = asked_tags(shop.settings, asked, window)
    return run_assets(shop.settings, shop.declarations, assets, tags=tags)


def told(shop: Any) -> dict[str, Any]:
    with open_instance(shop.settings) as instance:
        event = instance.get_latest_materialization_event(ONLINE)
        assert event is not None
        assert event.asset_materialization is not None
        return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_a_run_tells_what_it_did_and_the_next_one_does_the_difference(shop: Any) -> None:
    assert run(shop).succeeded
    first = told(shop)
    assert (first["asgard/kind"], first["asgard/rows_written"]) == ("whole", 2)
    assert first["asgard/snapshot_id"] == str(shop.lakehouse.pin(TABLE).snapshot_id)
    assert not_online(shop.settings, shop.declarations) == {}
    land(shop, MARCH + timedelta(days=31), "b", "c")
    assert run(shop).succeeded
    second = told(shop)
    assert second["asgard/from_snapshot"] == first["asgard/snapshot_id"]
    assert (second["asgard/kind"], second["asgard/rows_read"], second["asgard/rows_written"]) == (
        "difference",
        2,
        2,
    )
    assert second["asgard/files_read"] == 1
    assert second["asgard/bytes_read"] > 0


def test_one_by_dates_is_followed_by_its_id_and_leaves_the_watermark(shop: Any) -> None:
    land(shop, MARCH - timedelta(days=60), "d")
    asked = new_materialization_id()
    march = MARCH.replace(tzinfo=UTC)
    window = (march - timedelta(days=61), march - timedelta(days=59))
    outcome = run_by_dates(shop, asked, window)
    assert outcome.succeeded
    with open_instance(shop.settings) as instance:
        state = materialization_state(shop.settings, instance, asked)
    assert (state.status, state.run_id, state.views) == ("completed", outcome.run_id, ["habits"])
    assert (state.rows_written, state.rows_skipped, state.errors) == (1, 0, [])
    assert state.window_end == window[1]
    assert state.seconds is not None
    (ledger,) = materializations(shop.settings, asked_as=asked)
    assert (ledger.kind, ledger.dagster_run) == ("window", outcome.run_id)


def test_one_that_finds_no_rows_fails_and_says_so(shop: Any) -> None:
    asked = new_materialization_id()
    long_ago = datetime(1990, 1, 1, tzinfo=UTC)
    outcome = run_by_dates(shop, asked, (long_ago, long_ago + timedelta(days=1)))
    assert not outcome.succeeded
    with open_instance(shop.settings) as instance:
        state = materialization_state(shop.settings, instance, asked)
    assert state.status == "failed"
    (error,) = state.errors
    assert error.startswith("No data found in source")
    (ledger,) = materializations(shop.settings, asked_as=asked)
    assert ledger.error == error


def test_what_cannot_be_materialized_is_refused(shop: Any) -> None:
    with pytest.raises(FeatureViewNotFound, match="Did you mean 'habits'"):
        asked_assets(shop.declarations, ["habit"])
    with pytest.raises(Invalid, match="at least one"):
        asked_assets(shop.declarations, [])
    with pytest.raises(Invalid, match="ends before it begins"):
        asked_tags(shop.settings, "mat_1", (MARCH, MARCH - timedelta(days=1)))
    with open_instance(shop.settings) as instance, pytest.raises(NotFound, match="mat_1"):
        materialization_state(shop.settings, instance, "mat_1")
