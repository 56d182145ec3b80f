"""The rows of the tables about Asgard itself, from plain facts; they mean what the REST contract says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean
from typing import Any

import pyarrow as pa

from asgard_pipelines.declarations import DESCRIBED_AT
from asgard_pipelines.state import Probe

_WEEK, _MONTH, _RECENT = timedelta(days=7), timedelta(days=30), timedelta(days=3)
_STABLE = 0.1
"""Up to this share more or less a day is no trend."""
_GB = 1e9


@dataclass(frozen=True)
class RunFacts:
    """One run that has ended (times are UTC). `job` is None for assets that were chosen by hand; `user` is
    who asked for it, None for a sensor or a schedule."""

    job: str | None
    assets: tuple[str, ...]
    user: str | None
    started: datetime
    ended: datetime
    succeeded: bool
    bytes_read: int

    @property
    def pipelines(self) -> list[str]:
        return [*([self.job] if self.job else []), *self.assets]


@dataclass(frozen=True)
class RowsWritten:
    """By one materialization, at an instant (UTC)."""

    pipelines: tuple[str, ...]
    at: datetime
    rows: int


def pipeline_activity(runs: Sequence[RunFacts], written: Sequence[RowsWritten], now: datetime) -> pa.Table:
    """One row per job and asset that ran or wrote in the 7 days before `now`."""
    of_pipeline = _grouped((name, run) for run in runs if run.ended > now - _WEEK for name in run.pipelines)
    rows_of = _grouped((name, one) for one in written if one.at > now - _WEEK for name in one.pipelines)
    described = []
    for name in sorted(of_pipeline.keys() | rows_of.keys()):
        finished = of_pipeline.get(name, [])
        failed = sum(not run.succeeded for run in finished)
        described.append(
            {
                "pipeline_id": name,
                "success_rate_7d": 1 - failed / len(finished) if finished else None,
                "avg_duration_7d": fmean(_seconds(run) for run in finished) if finished else None,
                "error_count_7d": failed,
                "data_volume_trend": _trend(rows_of.get(name, []), now),
            }
        )
    columns = {
        "pipeline_id": pa.string(),
        "success_rate_7d": pa.float64(),
        "avg_duration_7d": pa.float64(),
        "error_count_7d": pa.int64(),
        "data_volume_trend": pa.string(),
    }
    return _table(described, columns, now)


def user_activity(runs: Sequence[RunFacts], declared: Mapping[str, int], now: datetime) -> pa.Table:
    """One row per user who declared something or started a run in the 30 days before `now`.

    Args:
        declared: user -> declarations made in that time.
    """
    of_user = _grouped((run.user, run) for run in runs if run.user and run.started > now - _MONTH)
    described = []
    for name in sorted(of_user.keys() | declared.keys()):
        started = of_user.get(name, [])
        described.append(
            {
                "user_id": name,
                "pipelines_created_30d": declared.get(name, 0),
                "pipelines_executed_30d": len(started),
                "total_data_processed_gb": sum(run.bytes_read for run in started) / _GB,
                "avg_pipeline_complexity": fmean(len(run.assets) for run in started) if started else None,
            }
        )
    columns = {
        "user_id": pa.string(),
        "pipelines_created_30d": pa.int64(),
        "pipelines_executed_30d": pa.int64(),
        "total_data_processed_gb": pa.float64(),
        "avg_pipeline_complexity": pa.float64(),
    }
    return _table(described, columns, now)


def connector_activity(probes: Iterable[Probe], now: datetime) -> pa.Table:
    """One row per connector that was probed in the 7 days before `now`; `probes` are in order."""
    of_connector = _grouped((probe.connector, probe) for probe in probes if probe.at > now - _WEEK)
    described = []
    for name, made in sorted(of_connector.items()):
        answered = [probe.milliseconds for probe in made if probe.answered]
        described.append(
            {
                "connector_id": name,
                "uptime_percentage_7d": 100 * len(answered) / len(made),
                "avg_query_time_7d": fmean(answered) if answered else None,
                "error_rate_7d": 1 - len(answered) / len(made),
                "connection_pool_usage": made[-1].pool_usage,
            }
        )
    columns = {
        "connector_id": pa.string(),
        "uptime_percentage_7d": pa.float64(),
        "avg_query_time_7d": pa.float64(),
        "error_rate_7d": pa.float64(),
        "connection_pool_usage": pa.float64(),
    }
    return _table(described, columns, now)


def _grouped(pairs: Iterable[tuple[str, Any]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for name, value in pairs:
        found[name].append(value)
    return dict(found)


def _seconds(run: RunFacts) -> float:
    return (run.ended - run.started).total_seconds()


def _trend(written: Sequence[RowsWritten], now: datetime) -> str | None:
    if not written:
        return None
    recent = sum(one.rows for one in written if one.at > now - _RECENT) / _RECENT.days
    before = sum(one.rows for one in written if one.at <= now - _RECENT) / (_WEEK - _RECENT).days
    if abs(recent - before) <= _STABLE * before:
        return "stable"
    return "increasing" if recent > before else "decreasing"


def _table(rows: list[dict[str, Any]], columns: dict[str, pa.DataType], now: datetime) -> pa.Table:
    at = now.astimezone(UTC).replace(tzinfo=None)
    schema = pa.schema([*columns.items(), (DESCRIBED_AT, pa.timestamp("us"))])
    return pa.Table.from_pylist([row | {DESCRIBED_AT: at} for row in rows], schema)
