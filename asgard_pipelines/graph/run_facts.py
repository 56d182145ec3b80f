"""What Dagster's runs of the last weeks did: plain facts, for the tables about Asgard itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunRecord, RunsFilter

from asgard_pipelines.errors import SnapshotNotFound, TableNotFound
from asgard_pipelines.graph.run_history import PRINCIPAL_TAG
from asgard_pipelines.monitoring import RowsWritten, RunFacts
from asgard_pipelines.state import run_pins

if TYPE_CHECKING:
    from asgard_pipelines.lakehouse import Lakehouse

_ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE]
_ANONYMOUS = "__"
"""How Dagster's own names begin, that of the job for assets chosen by hand among them."""
_AT_ONCE = 500


@dataclass(frozen=True)
class PlatformHistory:
    runs: list[RunFacts]
    written: list[RowsWritten]


def platform_history(
    instance: dg.DagsterInstance, lakehouse: Lakehouse, since: datetime, *, by_users: bool = False
) -> PlatformHistory:
    """Of the runs that ended since then; `by_users`: of those alone that somebody asked for. A run's events
    and pins, which take the time, are read of no others."""
    reader = _Reader(instance, lakehouse)
    history = PlatformHistory([], [])
    for record in _ended(instance, since):
        if by_users and PRINCIPAL_TAG not in record.dagster_run.tags:
            continue
        if record.start_time and record.end_time:
            facts, written = reader.read(record)
            history.runs.append(facts)
            history.written.extend(written)
    return history


def _ended(instance: dg.DagsterInstance, since: datetime) -> Iterator[RunRecord]:
    cursor = None
    while True:
        found = instance.get_run_records(
            RunsFilter(statuses=_ENDED, updated_after=since), limit=_AT_ONCE, cursor=cursor
        )
        yield from found
        if len(found) < _AT_ONCE:
            return
        cursor = found[-1].dagster_run.run_id


class _Reader:
    def __init__(self, instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
        self._instance, self._lakehouse = instance, lakehouse
        self._summary = lru_cache(maxsize=None)(self._read_summary)

    def read(self, record: RunRecord) -> tuple[RunFacts, list[RowsWritten]]:
        run = record.dagster_run
        started, ended = (
            datetime.fromtimestamp(at or 0.0, UTC) for at in (record.start_time, record.end_time)
        )
        events = self._instance.get_records_for_run(
            run.run_id,
            of_type={DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_MATERIALIZATION_PLANNED},
        ).records
        asked = {
            one.event_log_entry.dagster_event.asset_key for one in events if one.event_log_entry.dagster_event
        }
        assets = tuple(sorted("/".join(key.path) for key in asked | set(run.asset_selection or ()) if key))
        job = None if run.job_name.startswith(_ANONYMOUS) else run.job_name
        facts = RunFacts(
            job=job,
            assets=assets,
            user=run.tags.get(PRINCIPAL_TAG),
            started=started,
            ended=ended,
            succeeded=run.status == DagsterRunStatus.SUCCESS,
            bytes_read=self._bytes_read(run.run_id),
        )
        made = [one.event_log_entry.asset_materialization for one in events]
        # A range tells the same of each of its partitions.
        once = {one.asset_key: one for one in made if one is not None}
        written = [self._written(one, job, started, ended) for one in once.values()]
        return facts, [one for one in written if one is not None]

    def _bytes_read(self, run_id: str) -> int:
        """The size of the snapshots that it pinned; those that have expired count nothing."""
        pins = run_pins(self._lakehouse.settings, run_id)
        summaries = (self._summary(table, snapshot) for table, snapshot in pins.items() if snapshot)
        return sum(int(summary.get("total-files-size", 0)) for summary, _ in summaries)

    def _written(
        self, made: dg.AssetMaterialization, job: str | None, started: datetime, ended: datetime
    ) -> RowsWritten | None:
        """Of an asset that says how many rows it wrote, or whose snapshot is of the time of the run."""
        told = {name: value.value for name, value in made.metadata.items()}
        pipelines = ("/".join(made.asset_key.path), *([job] if job else []))
        if "asgard/rows_written" in told:
            return RowsWritten(pipelines, ended, int(str(told["asgard/rows_written"])))
        table, snapshot = told.get("dagster/table_name"), told.get("asgard/snapshot_id")
        if not table or not snapshot or made.asset_key.path[0] == "features":
            return None
        summary, at = self._summary(str(table), int(str(snapshot)))
        if at is None or not started <= at <= ended:
            return None
        return RowsWritten(pipelines, ended, int(summary.get("added-records", 0)))

    def _read_summary(self, table: str, snapshot: int) -> tuple[dict[str, str], datetime | None]:
        try:
            pin = self._lakehouse.pin(table, snapshot)
            return self._lakehouse.summary(pin), self._lakehouse.committed_at(pin)
        except (TableNotFound, SnapshotNotFound):
            return {}, None
