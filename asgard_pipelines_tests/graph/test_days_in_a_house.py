"""Days of an online view in a running house: Dagster's own backfill, and what is asked for by dates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from asgard_pipelines.features.online import online_store
from asgard_pipelines.graph import asked_assets, graphql, prepare_instance, run_assets
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.project import load
from asgard_pipelines.state import materializations
from asgard_pipelines_tests.empty_project import empty_project
from asgard_pipelines_tests.serving import House, send, served, until
from asgard_pipelines_tests.visits import visits_repo

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)

_BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
_STATUS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status numPartitions } } }"""
_STATES = """query { assetNodeOrError(assetKey: {path: ["online_days", "visits"]}) { ... on AssetNode {
    partitionStats { numMaterialized numFailed }
    assetPartitionStatuses { ... on TimePartitionStatuses { ranges { startKey endKey } } } } } }"""


class Shop:
    """Visitor `a` is online as of the fourth day; `b` has landed since, on the first and on the second."""

    def __init__(self, settings: Any) -> None:
        (settings.repo / "repo.py").write_text(visits_repo("STRING"))
        prepare_instance(settings)
        self.settings, self.lakehouse = settings, Lakehouse(settings)
        self.land("a", 0, 1, 2, 3)
        self.declarations = load(settings)
        assert run_assets(settings, self.declarations, asked_assets(self.declarations, ["visits"])).succeeded
        self.land("b", 0, 1)

    def land(self, visitor: str, *days: int) -> None:
        at = pa.array([(FIRST + day * DAY).replace(tzinfo=None) for day in days], pa.timestamp("us"))
        rows = {"visitor_id": [visitor] * len(days), "pages": list(days), "at": at}
        self.lakehouse.append("gold.visits", pa.table(rows), key=f"{visitor} {days}")

    def online(self, visitor: str) -> int | None:
        """Of which day the row is that the store has."""
        store = online_store(self.settings, "shop")
        keys = pa.table({"visitor_id": [visitor]})
        [at] = store.times(self.declarations.view("visits"), keys)["event"].to_pylist()
        return None if at is None else (at.replace(tzinfo=UTC) - FIRST) // DAY


def test_backfills_from_the_page_and_by_dates_are_runs_of_days_that_make_nothing_older(
    tmp_path: Path,
) -> None:
    with empty_project(tmp_path) as settings:
        shop = Shop(settings)
        assert (shop.online("a"), shop.online("b")) == (3, None)
        with served(SimpleNamespace(settings=settings)) as house:
            assert backfilled(house, 0, 1, 2) == {"status": "COMPLETED_SUCCESS", "numPartitions": 3}
            assert (shop.online("a"), shop.online("b")) == (3, 1)
            shop.land("b", 5)
            part = materialized(house, FIRST + 4.5 * DAY, FIRST + 5.5 * DAY)
            whole = materialized(house, FIRST + 1 * DAY, FIRST + 4 * DAY)
            node = graphql(house.dagster, _STATES)["assetNodeOrError"]
        assert (part["rows_materialized"], shop.online("b")) == (1, 5)
        assert (whole["rows_materialized"], whole["rows_skipped"]) == (1, 1)
        assert shop.online("a") == 3
        ranges = [(one["startKey"], one["endKey"]) for one in node["assetPartitionStatuses"]["ranges"]]
        assert ranges == [("2024-03-01", "2024-03-04")]
        assert node["partitionStats"] == {"numMaterialized": 4, "numFailed": 0}
        runs = [one for one in materializations(settings, view="visits") if one.kind == "window"]
        spans = sorted((one.window_start, one.window_end) for one in runs if one.window_start)
        assert spans == [  # one run a range, whichever door it came through
            (FIRST, FIRST + 3 * DAY - timedelta(microseconds=1)),
            (FIRST + 1 * DAY, FIRST + 4 * DAY),
            (FIRST + 4.5 * DAY, FIRST + 5.5 * DAY),
        ]


def backfilled(house: House, *days: int) -> Any:
    """As *Materialize* on the asset's page asks for it; how it ended."""
    asked = {
        "partitionNames": [f"{FIRST + day * DAY:%Y-%m-%d}" for day in days],
        "assetSelection": [{"path": ["online_days", "visits"]}],
    }
    launched = graphql(house.dagster, _BACKFILL, params=asked)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    found: Any = {}

    def ended() -> bool:
        found.update(graphql(house.dagster, _STATUS, id=launched["backfillId"])["partitionBackfillOrError"])
        return found["status"] not in ("REQUESTED", "COMPLETING")

    until(ended, 120, lambda: found)
    return found


def materialized(house: House, start: datetime, end: datetime) -> Any:
    body = {"feature_views": ["visits"], "start_date": start.isoformat(), "end_date": end.isoformat()}
    asked = send(house.api, "POST", "/api/v1/features/materialize", body)
    assert asked is not None
    assert asked[0] == 202, asked
    found: Any = {}

    def ended() -> bool:
        answer = send(house.api, "GET", asked[1]["progress_url"])
        found.update(answer[1] if answer else {})
        return found.get("status") in ("completed", "failed")

    until(ended, 120, lambda: found)
    assert found["status"] == "completed", found
    return found
