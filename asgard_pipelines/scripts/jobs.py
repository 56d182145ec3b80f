"""One job, from its row to its end: isolated, watched, its output and what it logged kept."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from asgard_pipelines.errors import AsgardError
from asgard_pipelines.models import JobRequests, JobTracking
from asgard_pipelines.scripts.isolation import require_isolation, user_of
from asgard_pipelines.scripts.job_folder import environment, job_folder
from asgard_pipelines.scripts.limits import Limits
from asgard_pipelines.scripts.output import Output
from asgard_pipelines.scripts.registration import register_logged_model
from asgard_pipelines.scripts.sandbox import GIVEN, MLFLOW_PORT, Sandbox
from asgard_pipelines.scripts.secret_values import LONGEST, masked
from asgard_pipelines.scripts.supervision import Ended, run_in
from asgard_pipelines.scripts.tracking_socket import tracking_socket
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import ScriptJob, change_job, find_job

_TAIL = 10_000
_TELL_SECONDS = 2.0
_LOG = "log.txt"
_LONGEST_REQUEST = 200_000_000
"""To MLflow, a file that is logged among them: it is held in memory for a moment."""


def run_job(settings: Settings, job_id: str) -> ScriptJob:
    """Runs the job's script to its end; the job as it is then: completed, failed or cancelled.

    Raises:
        IsolationUnavailable, and others of the house's own; the job has failed then too.
    """
    job = find_job(settings, job_id)
    if job.ended:
        return job
    change_job(settings, job_id, status="running", started_at=datetime.now(UTC))
    output = Output()
    try:
        require_isolation(settings)
        _done(settings, job, output)
    except AsgardError as error:
        _end(settings, job, "failed", error=error.message, output=output)
        raise
    except Exception:
        _end(settings, job, "failed", error="Asgard could not run it to its end.", output=output)
        raise
    except BaseException:  # its run is ended from outside
        _end(settings, job, "cancelled", output=output)
        raise
    return find_job(settings, job_id)


def _done(settings: Settings, job: ScriptJob, output: Output) -> None:
    limits = Limits.of(settings)
    with job_folder(settings, job) as folder:
        tracking = JobTracking(
            settings,
            job.experiment_name,
            job.job_id,
            folder.uploads,
            limits.disk,
            lambda run_id: _began(settings, job, run_id),
        )
        sandbox = Sandbox(
            folder.given,
            folder.warehouse,
            environment(settings, job, MLFLOW_PORT),
            limits,
            user_of(settings),
        )
        with tracking_socket(folder.socket, JobRequests(tracking).answer, min(limits.disk, _LONGEST_REQUEST)):
            ended = run_in(
                sandbox, sandbox.command(GIVEN / folder.script), output, _Look(settings, job, output)
            )
        _keep_log(settings, job, tracking, output, ended)
        change_job(settings, job.job_id, run_id=tracking.runs[0], **_model(settings, job, tracking, ended))
    if ended.cancelled:
        _end(settings, job, "cancelled", output=output)
    elif ended.reason or ended.code:
        _end(settings, job, "failed", error=_told(job, ended), output=output)
    else:
        _end(settings, job, "completed", output=output)


def _model(settings: Settings, job: ScriptJob, tracking: JobTracking, ended: Ended) -> dict[str, str | None]:
    if ended.reason or ended.code:
        return {"model_reason": "The script did not end well."}
    outcome = register_logged_model(settings, find_job(settings, job.job_id), tracking)
    version = None if outcome.version is None else outcome.version.version
    return {"model_version": version, "model_reason": outcome.reason}


class _Look:
    """Called while the script runs: tells its row how it goes, and says whether it is to be cancelled."""

    def __init__(self, settings: Settings, job: ScriptJob, output: Output) -> None:
        self._settings, self._job, self._output = settings, job, output
        self._told = 0.0

    def __call__(self) -> bool:
        if time.monotonic() - self._told < _TELL_SECONDS:
            return False
        self._told = time.monotonic()
        change_job(self._settings, self._job.job_id, log_tail=_tail(self._settings, self._output))
        return find_job(self._settings, self._job.job_id).cancel_requested


def _began(settings: Settings, job: ScriptJob, run_id: str) -> None:
    if find_job(settings, job.job_id).run_id is None:
        change_job(settings, job.job_id, run_id=run_id)


def _told(job: ScriptJob, ended: Ended) -> str:
    if ended.reason:
        return f"{job.script_name} was ended: {ended.reason}."
    if ended.code > 128:
        return f"{job.script_name} was ended by signal {ended.code - 128}: the tail of its log may say more."
    return f"{job.script_name} ended with exit code {ended.code}: the tail of its log says why."


def _keep_log(
    settings: Settings, job: ScriptJob, tracking: JobTracking, output: Output, ended: Ended
) -> None:
    """The whole log becomes a file of the script's run; where it began none, of one that is made for it."""
    client = tracking.client
    if not tracking.runs:
        tracking.make_run(job.script_name)
    run_id = tracking.runs[0]
    with TemporaryDirectory() as folder:
        path = Path(folder) / _LOG
        path.write_text(masked(output.text(), settings))
        client.log_artifact(run_id, str(path))
    tracking.finish("KILLED" if ended.reason else "FAILED" if ended.code else "FINISHED")


def _tail(settings: Settings, output: Output) -> str:
    return masked(output.end(_TAIL + LONGEST), settings)[-_TAIL:]


def _end(
    settings: Settings, job: ScriptJob, status: str, *, output: Output, error: str | None = None
) -> None:
    change_job(
        settings,
        job.job_id,
        status=status,
        ended_at=datetime.now(UTC),
        error=error,
        log_tail=_tail(settings, output),
    )
