"""What of MLflow is one uploaded script's: its own experiment, its own runs, its own models and files.

The registry of models is not among it, nor is deleting anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    PERMISSION_DENIED,
    RESOURCE_DOES_NOT_EXIST,
)

from asgard_pipelines.models.job_artefacts import JobArtefacts
from asgard_pipelines.models.job_experiment import own_experiment
from asgard_pipelines.models.tracking import open_client
from asgard_pipelines.settings import Settings

_RESERVED = re.compile(r"asgard\.|model_version$")
JOB_TAG = "asgard.script_job"
PARENT_TAG = "mlflow.parentRunId"
_MOST_RUNS = 100
_MOST_MODELS = 20


class JobTracking:
    """One job's. Not for several threads at once.

    Args:
        experiment: the one the job may use; made here.
        folder: where its files are kept while the job lasts.
        limit_bytes: of all that it sends.
        on_run: hears of each run it begins.

    Raises:
        Conflict: the experiment is somebody else's.
    """

    def __init__(
        self,
        settings: Settings,
        experiment: str,
        job_id: str,
        folder: Path,
        limit_bytes: int,
        on_run: Callable[[str], None],
    ) -> None:
        self.client = open_client(settings)
        self.store = self.client._tracking_client.store
        self.job_id, self.experiment, self._on_run = job_id, experiment, on_run
        self.experiment_id = own_experiment(self.client, experiment, settings.artefact_root)
        self.runs: list[str] = []
        self.models: dict[str, str | None] = {}
        """Logged model -> the run that it names as its source."""
        self.artefacts = JobArtefacts(self.client, folder, limit_bytes)

    def own_run(self, run_id: str) -> str:
        if run_id not in self.runs:
            raise MlflowException(f"No run '{run_id[:64]}' of this script", RESOURCE_DOES_NOT_EXIST)
        return run_id

    def own_model(self, model_id: str) -> str:
        if model_id not in self.models:
            raise MlflowException(f"No model '{model_id[:64]}' of this script", RESOURCE_DOES_NOT_EXIST)
        return model_id

    def own_tag(self, key: str, value: str) -> None:
        if _RESERVED.match(key):
            raise refusal(f"the tag '{key[:100]}' is Asgard's own")
        if key == PARENT_TAG:
            self.own_run(value)

    def began(self, run_id: str) -> None:
        self.runs.append(run_id)
        self._on_run(run_id)

    def make_run(self, name: str) -> str:
        """A run for what has none."""
        run = self.client.create_run(self.experiment_id, tags={JOB_TAG: self.job_id}, run_name=name)
        self.began(run.info.run_id)
        return str(run.info.run_id)

    def finish(self, status: str) -> None:
        """Ends the runs that the script has left open."""
        for run_id in self.runs:
            if self.client.get_run(run_id).info.status == "RUNNING":
                self.client.set_terminated(run_id, status)

    def metrics(self, run_id: str) -> dict[str, float]:
        """What was logged last of each."""
        return dict(self.client.get_run(run_id).data.metrics)

    def room_for(self, what: str) -> None:
        """Raises MlflowException: there are enough."""
        if (what == "run" and len(self.runs) >= _MOST_RUNS) or len(self.models) >= _MOST_MODELS:
            raise refusal(f"a script may make {_MOST_RUNS} runs and {_MOST_MODELS} models")


def refusal(why: str) -> MlflowException:
    return MlflowException(f"Refused: {why}.", PERMISSION_DENIED)
