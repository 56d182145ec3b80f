"""What is said about runs, users and services, from facts that can be counted by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from asgard_pipelines.monitoring import (
    RowsWritten,
    RunFacts,
    connector_activity,
    pipeline_activity,
    user_activity,
)
from asgard_pipelines.state import Probe

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


def _run(
    days_ago: float, seconds: float = 10, *, ok: bool = True, user: str | None = None, read: int = 0
) -> RunFacts:
    ended = NOW - timedelta(days=days_ago)
    return RunFacts(
        job="nightly",
        assets=("gold/a", "models/m"),
        user=user,
        started=ended - timedelta(seconds=seconds),
        ended=ended,
        succeeded=ok,
        bytes_read=read,
    )


def test_a_pipeline_is_described_by_its_finished_runs_of_seven_days() -> None:
    runs = [_run(1, 10), _run(2, 20), _run(3, 30, ok=False), _run(6.9, 40), _run(7.1, 1000, ok=False)]
    rows = {row["pipeline_id"]: row for row in pipeline_activity(runs, [], NOW).to_pylist()}
    assert rows.keys() == {"nightly", "gold/a", "models/m"}
    for row in rows.values():
        assert row["success_rate_7d"] == 0.75
        assert row["avg_duration_7d"] == pytest.approx(25)
        assert row["error_count_7d"] == 1
        assert row["data_volume_trend"] is None
        assert row["described_at"] == NOW.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("recent", "before", "trend"),
    [(300, 400, "stable"), (329, 400, "stable"), (331, 400, "increasing"), (269, 400, "decreasing"),
     (0, 400, "decreasing"), (1, 0, "increasing"), (0, 0, "stable")],
)  # fmt: skip
def test_a_trend_is_more_than_a_tenth_of_a_day_s_rows(recent: int, before: int, trend: str) -> None:
    written = [
        RowsWritten(("gold/a",), NOW - timedelta(days=1), recent),
        RowsWritten(("gold/a",), NOW - timedelta(days=5), before),
    ]
    [row] = pipeline_activity([], written, NOW).to_pylist()
    assert row["data_volume_trend"] == trend
    assert row["success_rate_7d"] is None


def test_a_user_is_described_by_thirty_days() -> None:
    runs = [
        _run(1, user="ann", read=10**9),
        _run(29, user="ann", read=5 * 10**8),
        _run(31, user="ann"),
        _run(1),
    ]
    rows = {row["user_id"]: row for row in user_activity(runs, {"ann": 2, "bob": 1}, NOW).to_pylist()}
    assert rows["ann"] | {"described_at": None} == {
        "user_id": "ann",
        "pipelines_created_30d": 2,
        "pipelines_executed_30d": 2,
        "total_data_processed_gb": 1.5,
        "avg_pipeline_complexity": 2.0,
        "described_at": None,
    }
    assert (rows["bob"]["pipelines_executed_30d"], rows["bob"]["avg_pipeline_complexity"]) == (0, None)
    assert rows.keys() == {"ann", "bob"}


def test_a_connector_is_described_by_its_probes() -> None:
    def probe(hours: float, *, ok: bool = True, ms: float = 10, pool: float | None = None) -> Probe:
        at = NOW - timedelta(hours=hours)
        return Probe(at=at, connector="catalog", answered=ok, milliseconds=ms, pool_usage=pool)

    probes = [
        probe(200, ok=False),
        probe(3, ms=10),
        probe(2, ms=30),
        probe(1, ok=False, ms=5000),
        probe(0, pool=0.2),
    ]
    [row] = connector_activity(probes, NOW).to_pylist()
    assert row["uptime_percentage_7d"] == 75
    assert row["avg_query_time_7d"] == pytest.approx(50 / 3)
    assert (row["error_rate_7d"], row["connection_pool_usage"]) == (0.25, 0.2)
