"""What one job is given: its script, a Feast repo of its own, and a catalog of the tables behind it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from asgard_pipelines.errors import DeclarationNotFound
from asgard_pipelines.features import write_private_repo
from asgard_pipelines.lakehouse import Lakehouse, write_private_catalog
from asgard_pipelines.scripts import inside
from asgard_pipelines.scripts.sandbox import INSIDE
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import ScriptJob, find_job

FEAST_REPO = "/tmp/feast_repo"  # noqa: S108 (inside the sandbox, where document 002 has it)
_CATALOG = "catalog.db"
_SOCKET = "mlflow.sock"


@dataclass(frozen=True)
class JobFolder:
    """`given` is what the script sees, read-only; `uploads` what it logs; `warehouse` the tables' folders."""

    given: Path
    uploads: Path
    warehouse: list[Path]
    script: str

    @property
    def socket(self) -> Path:
        return self.given / _SOCKET


@contextmanager
def job_folder(settings: Settings, job: ScriptJob) -> Iterator[JobFolder]:
    """In the house's home, closed to others of this machine, and gone with its end; what jobs that were
    killed have left there goes too.

    Raises:
        Unsupported: the tables are where a script cannot read them.
        InvalidSettings, InvalidDeclarations: there is no usable `feature_store.yaml`.
    """
    jobs = settings.state_folder / "jobs"
    _tidy(settings, jobs)
    with TemporaryDirectory(prefix=f"{job.job_id}.", dir=jobs) as home:
        given, uploads = Path(home) / "given", Path(home) / "uploads"
        repo = given / "files" / Path(FEAST_REPO).name
        repo.mkdir(parents=True)
        uploads.mkdir()
        tables = write_private_repo(settings, repo, FEAST_REPO)
        warehouse = write_private_catalog(Lakehouse(settings), tables, repo / _CATALOG)
        script = given / "script" / job.script_name
        script.parent.mkdir()
        script.write_text(job.source)
        shutil.copyfile(inside.__file__, given / INSIDE)
        for path in (given, *given.rglob("*")):
            os.chmod(path, 0o755 if path.is_dir() else 0o644)
        yield JobFolder(given, uploads, warehouse, str(script.relative_to(given)))


def _tidy(settings: Settings, jobs: Path) -> None:
    jobs.mkdir(parents=True, exist_ok=True)
    for left in jobs.iterdir():
        if _is_over(settings, left.name.rpartition(".")[0]):
            shutil.rmtree(left)


def _is_over(settings: Settings, job_id: str) -> bool:
    try:
        return find_job(settings, job_id).ended
    except DeclarationNotFound:  # deleted since
        return True


def environment(settings: Settings, job: ScriptJob, port: int) -> dict[str, str]:
    """What the script's variables say: where Feast and MLflow are. There is nothing secret among them."""
    threads = str(settings.thread_count)
    return {
        "FEAST_REPO_PATH": FEAST_REPO,
        "FEAST_USAGE": "False",
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}",
        "MLFLOW_EXPERIMENT_NAME": job.experiment_name,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        "GIT_PYTHON_REFRESH": "quiet",  # there is no git inside, and nothing for it to say
        "ASGARD_HOME": FEAST_REPO,
        "ASGARD_CATALOG_URI": f"sqlite:///{FEAST_REPO}/{_CATALOG}",
        "ASGARD_GOLD_SCHEMA": settings.gold_schema,
        "ASGARD_THREADS": threads,
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads),
    }
