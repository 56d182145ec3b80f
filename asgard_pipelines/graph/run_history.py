"""What Dagster's runs say: which are under way, which died, which failed for whom."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from asgard_pipelines.declarations import Declarations
from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import held_in, last_election, worker_is_gone

MODELS_TAG = "asgard/models"
"""Names of the models that a run retrains, separated by commas."""
PLAN_TAG = "asgard/plan"
"""Hash of what a reconciling run was to do, from which snapshots."""
PRINCIPAL_TAG = "asgard/principal"
"""Who asked for the run over REST."""
SCRIPT_JOB = "run_script"
"""Dagster's job that runs an uploaded script; it materializes nothing."""
SCRIPT_JOB_TAG = "asgard/script_job"
"""The id of the uploaded script's job."""
PREDICTION_ID_TAG = "asgard/prediction_id"
"""The id that the prediction asked for is to have."""
MATERIALIZATION_TAG = "asgard/materialization_id"
"""The id by which a materialization was asked for; such a one fails where there are no rows."""
WINDOW_START_TAG, WINDOW_END_TAG = "asgard/window_start", "asgard/window_end"
"""The event times (ISO 8601, both included) of which online views take rows; without them, what changed."""
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
"""Dagster's own: the first and last partition of those that a run makes."""

_log = logging.getLogger(__name__)
_UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def bury_dead_runs(settings: Settings, instance: dg.DagsterInstance) -> list[str]:
    """Declares runs failed whose worker was killed: the launcher does not notice. Their ids."""
    buried = []
    for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING])):
        if worker_is_gone(settings, run.run_id):
            instance.report_run_failed(run, "The process that worked on this run is gone.")
            buried.append(run.run_id)
    return buried


def run_under_way(instance: dg.DagsterInstance, selection: Iterable[dg.AssetKey]) -> str | None:
    """The id of an unfinished run that materializes one of `selection`."""
    wanted = set(selection)
    for run in instance.get_runs(RunsFilter(statuses=_UNFINISHED)):
        if run.job_name == SCRIPT_JOB:
            continue
        if run.asset_selection is None or wanted & set(run.asset_selection):
            return run.run_id
    return None


def training_failures(
    settings: Settings, instance: dg.DagsterInstance, declarations: Declarations
) -> dict[str, tuple[int, datetime]]:
    """Model -> how many runs failed since its last election, and when the last of them ended (UTC)."""
    failed = instance.get_run_records(RunsFilter(statuses=[DagsterRunStatus.FAILURE]), limit=200)
    found: dict[str, tuple[int, datetime]] = {}
    for resolved in declarations.models:
        name = resolved.model.name
        last = last_election(settings, name)
        ends = [
            datetime.fromtimestamp(record.end_time, UTC)
            for record in failed
            if record.end_time
            and name in record.dagster_run.tags.get(MODELS_TAG, "").split(",")
            and (last is None or record.dagster_run.run_id != last.run_id)
        ]
        ends = [end for end in ends if last is None or end > last.at]
        if ends:
            found[name] = (len(ends), max(ends))
    return found


def unsuccessful_tries(instance: dg.DagsterInstance, plan: str) -> int:
    """How many runs of this plan ended without success."""
    ended = RunsFilter(statuses=[DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED], tags={PLAN_TAG: plan})
    return instance.get_runs_count(ended)


def not_online(settings: Settings, declarations: Declarations) -> dict[str, str]:
    """Online views that the store does not hold at any snapshot, and why; none while it does not answer."""
    from asgard_pipelines.features.online import online_store

    views = [view.name for view in declarations.views if view.online]
    try:
        found = online_store(settings, declarations.project).identities(views)
    except BackendUnavailable as error:
        _log.warning("nobody knows what is online: %s", error.message)
        return {}
    held = held_in(settings)
    known = {name for name, _ in held}
    return {
        name: "the store has lost it, or is another one" if name in known else "never materialized"
        for name in views
        if (name, found.get(name)) not in held
    }
