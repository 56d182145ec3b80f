"""How a run goes, as anyone may read it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunRecord, RunsFilter

from asgard_pipelines.declarations import Record
from asgard_pipelines.errors import AsgardError, BackendUnavailable, Conflict, NotFound, RunFailed
from asgard_pipelines.graph.failures import RunFailure, failure_of

RunStatus = Literal["queued", "running", "completed", "failed", "cancelled"]
_STATUS: dict[DagsterRunStatus, RunStatus] = {
    DagsterRunStatus.STARTED: "running",
    DagsterRunStatus.CANCELING: "running",
    DagsterRunStatus.SUCCESS: "completed",
    DagsterRunStatus.FAILURE: "failed",
    DagsterRunStatus.CANCELED: "cancelled",
}
_TOLD = {DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.STEP_FAILURE}


class RunState(Record):
    """Times are UTC. `assets` are those it was asked for, `done` those it has materialized so far."""

    run_id: str
    status: RunStatus
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    assets: list[str]
    done: list[str]
    failures: list[RunFailure]
    tags: dict[str, str]

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")

    def error(self) -> AsgardError:
        """Why it did not complete: the typed error of the first failure, as it was raised.

        What no asset told (the worker was killed, the run was never started) is BackendUnavailable.
        """
        if self.status == "cancelled":
            return Conflict(f"Run {self.run_id} was cancelled.", run_id=self.run_id)
        if not self.failures:
            return BackendUnavailable(
                f"Run {self.run_id} ended before its work was done: ask again.", run_id=self.run_id
            )
        error = self.failures[0].error()
        if error is None:
            return RunFailed(
                f"{self.failures[0].asset} failed unexpectedly: see run {self.run_id} in Dagster.",
                run_id=self.run_id,
            )
        error.details = {**error.details, "run_id": self.run_id}
        return error


def run_state(instance: dg.DagsterInstance, run_id: str) -> RunState:
    """
    Raises:
        NotFound: no such run.
    """
    record = instance.get_run_record_by_id(run_id)
    if record is None:
        raise NotFound(f"Run '{run_id}' not found.", run_id=run_id)
    return _state(instance, record)


def tagged_run(instance: dg.DagsterInstance, tag: str, value: str) -> RunState | None:
    """The newest run with that tag."""
    records = instance.get_run_records(RunsFilter(tags={tag: value}), limit=1)
    return _state(instance, records[0]) if records else None


def _state(instance: dg.DagsterInstance, record: RunRecord) -> RunState:
    run = record.dagster_run
    done: list[str] = []
    failures: list[RunFailure] = []
    for entry in instance.get_records_for_run(run.run_id, of_type=_TOLD).records if record.start_time else ():
        event = entry.event_log_entry.dagster_event
        if event is None:
            continue
        if event.event_type == DagsterEventType.STEP_FAILURE:
            failures.append(failure_of(event))
        elif event.event_type == DagsterEventType.ASSET_MATERIALIZATION and event.asset_key:
            done.append(event.asset_key.to_user_string())
    return RunState(
        run_id=run.run_id,
        status=_STATUS.get(run.status, "queued"),
        asked_at=record.create_timestamp.astimezone(UTC),
        started_at=_instant(record.start_time),
        ended_at=_instant(record.end_time),
        assets=sorted(key.to_user_string() for key in run.asset_selection or ()),
        done=sorted(set(done)),
        failures=failures,
        tags=dict(run.tags),
    )


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
