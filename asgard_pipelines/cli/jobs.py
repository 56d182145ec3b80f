"""`asgard jobs`: uploaded scripts, and how they went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from asgard_pipelines.cli.console import AsJson, answer, console, grid

if TYPE_CHECKING:
    from asgard_pipelines.graph import RunClient
    from asgard_pipelines.settings import Settings
    from asgard_pipelines.state import ScriptJob

app = typer.Typer(help="List, show, cancel and delete the jobs of uploaded scripts.", no_args_is_help=True)
JobId = Annotated[str, typer.Argument(help="The job's id.")]


@app.command(name="list")
def list_jobs(as_json: AsJson = False) -> None:
    """List the newest hundred jobs."""
    from asgard_pipelines.graph import job_now
    from asgard_pipelines.state import script_jobs

    settings, runs = _opened()
    found = [_told(job_now(settings, runs, job)) for job in script_jobs(settings)]
    if as_json:
        answer({"jobs": found})
        return
    columns = ["job_id", "status", "script_name", "principal", "created_at", "model_version"]
    console().print(grid(columns, ([one[name] for name in columns] for one in found), wraps="script_name"))


@app.command()
def show(job_id: JobId, as_json: AsJson = False) -> None:
    """Show one job, with the tail of its log."""
    from asgard_pipelines.graph import job_now

    settings, runs = _opened()
    job = job_now(settings, runs, job_id)
    told = _told(job)
    if as_json:
        answer({**told, "log_tail": job.log_tail})
        return
    out = console()
    out.print(grid(["", ""], told.items(), wraps=""))
    out.print(job.log_tail, markup=False, highlight=False)


@app.command()
def cancel(job_id: JobId, as_json: AsJson = False) -> None:
    """End a job that waits or runs."""
    from asgard_pipelines.graph import cancel_job

    settings, runs = _opened()
    job = cancel_job(settings, runs, job_id)
    if as_json:
        answer(_told(job))
    elif job.ended:
        console().print(f"{job_id} has ended: {job.status}.", markup=False)
    else:
        console().print(f"{job_id} is being ended.", markup=False)


@app.command()
def delete(job_id: JobId, as_json: AsJson = False) -> None:
    """Forget a job that has ended; what it logged to MLflow, and a model that it made, stay."""
    from asgard_pipelines.graph import delete_job

    settings, runs = _opened()
    delete_job(settings, runs, job_id)
    if as_json:
        answer({"deleted": job_id})
    else:
        console().print(f"{job_id} is forgotten.", markup=False)


def _opened() -> tuple[Settings, RunClient]:
    from asgard_pipelines.cli.ports import HOST
    from asgard_pipelines.cli.running import running
    from asgard_pipelines.graph import RunClient
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.settings import Settings

    settings = Settings.read()
    house = running(settings)
    dagster = house.dagster if house else f"http://{HOST}:{settings.dagster_port}"
    return settings, RunClient(settings, Lakehouse(settings), dagster)


def _told(job: ScriptJob) -> dict[str, Any]:
    return job.model_dump(exclude={"source", "log_tail", "cancel_requested"})
