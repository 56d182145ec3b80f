"""Pushed rows into their tables: a job, and the sensor that starts it when enough of them wait."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from asgard_pipelines.declarations import Declarations, fingerprint
from asgard_pipelines.graph.failures import telling
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Waiting, sign_in, waiting_rows

FLUSH_JOB = "flush_pushes"
_MANY = 100_000
"""So many rows are not kept waiting."""
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def flush_job(declarations: Declarations) -> dg.JobDefinition:
    @dg.op(name="flush", description="Everything that was pushed, in one commit a table.")
    @telling
    def flush(context: dg.OpExecutionContext) -> None:
        from asgard_pipelines.features import HeldBack, flush_pushes
        from asgard_pipelines.lakehouse import Lakehouse

        settings = Settings.read()
        sign_in(settings, context.run_id)
        for one in flush_pushes(settings, Lakehouse(settings), declarations):
            if isinstance(one, HeldBack):
                context.log.error(f"{one.rows:,} rows of '{one.feature_view}' wait: {one.reason}")
            else:
                context.log.info(f"{one.rows:,} rows of '{one.feature_view}' are in {one.pin}")

    @dg.job(name=FLUSH_JOB, description="Appends pushed rows to the tables of their feature views.")
    def flush_pushes() -> None:
        flush()

    return flush_pushes


def flush_sensor(declarations: Declarations, job: dg.JobDefinition) -> dg.SensorDefinition:
    """Of a project with push sources."""
    views = [fingerprint(view) for view in declarations.views if view.push_source]
    declared = ",".join([*views, *(f"{one.join_key} {one.dtype}" for one in declarations.entities)])

    @dg.sensor(
        name="flush_pushed_rows",
        description="Starts a flush when pushed rows have waited long enough, or are many.",
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def flush_pushed_rows(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        settings = Settings.read()
        pushed = {view.name for view in declarations.views if view.push_source}
        waiting = [one for one in waiting_rows(settings) if one.feature_view in pushed]
        told = ", ".join(f"{one.feature_view}: {one.rows:,} rows{_held(one)}" for one in waiting)
        long_ago = datetime.now(UTC) - timedelta(seconds=settings.push_flush_seconds)
        may_fit = any(one.held for one in waiting) and context.cursor != declared
        due = any(one.rows - one.held >= _MANY or (one.since and one.since <= long_ago) for one in waiting)
        if not due and not may_fit:
            return dg.SkipReason(f"Nothing has waited long enough ({told or 'no pushed rows wait'}).")
        runs = dg.RunsFilter(job_name=FLUSH_JOB, statuses=_UNFINISHED)
        if context.instance.get_runs_count(runs):
            return dg.SkipReason(f"A flush is under way ({told}).")
        context.update_cursor(declared)  # what is held back is tried by each flush
        return dg.RunRequest()

    return flush_pushed_rows


def _held(waiting: Waiting) -> str:
    return f" ({waiting.held:,} of them held back: `asgard status` says why)" if waiting.held else ""
