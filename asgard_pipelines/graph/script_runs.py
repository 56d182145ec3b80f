"""The job that runs an uploaded script: an ordinary run, in the same queue as all others."""

import dagster as dg

from asgard_pipelines.errors import Conflict, RunFailed
from asgard_pipelines.graph.failures import telling
from asgard_pipelines.graph.run_history import SCRIPT_JOB, SCRIPT_JOB_TAG
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import sign_in


def script_job() -> dg.JobDefinition:
    """Which script: the run's tag says. Nothing of it is in the graph."""

    @dg.op(name="script", description="One uploaded script, isolated from this machine.")
    @telling
    def script(context: dg.OpExecutionContext) -> None:
        from asgard_pipelines.scripts import run_job

        settings = Settings.read()
        sign_in(settings, context.run_id)
        job = run_job(settings, context.run.tags[SCRIPT_JOB_TAG])
        context.log.info(job.log_tail)
        if job.status == "cancelled":
            raise Conflict(f"Job {job.job_id} was cancelled.", job_id=job.job_id)
        if job.status == "failed":
            raise RunFailed(job.error or "It failed.", job_id=job.job_id)

    @dg.job(name=SCRIPT_JOB, description="Runs a script that was uploaded over REST.")
    def run_script() -> None:
        script()

    return run_script
