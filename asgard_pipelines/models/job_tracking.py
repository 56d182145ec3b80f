"""MLflow as one uploaded script may use it: its own experiment, its own runs, its own files.

Requests of MLflow's REST protocol are read and done here, one by one, with the house's client. Nothing is
passed on as it came, so no address, path or name in a request reaches further than what is asked for here.
The registry of models is not among it, nor is deleting anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseError
from google.protobuf.message import Message
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    BAD_REQUEST,
    ENDPOINT_NOT_FOUND,
    PERMISSION_DENIED,
    RESOURCE_DOES_NOT_EXIST,
)
from mlflow.utils.proto_json_utils import message_to_json, parse_dict

from asgard_pipelines.models.job_artefacts import JobArtefacts
from asgard_pipelines.models.job_experiment import own_experiment
from asgard_pipelines.models.tracking import open_client
from asgard_pipelines.settings import Settings

_API = "/api/2.0/mlflow/"
_ARTEFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_MODEL_PATH = re.compile(r"logged-models/(?P<model_id>m-[0-9a-f]{1,64})(?P<part>/tags|/params|)")
_RESERVED = re.compile(r"asgard\.|model_version$")
JOB_TAG = "asgard.script_job"
PARENT_TAG = "mlflow.parentRunId"
_MOST_CALLS = 50_000
_MOST_RUNS = 100
_MOST_MODELS = 20


@dataclass(frozen=True)
class Reply:
    """What is answered: JSON, or a file's bytes."""

    status: int
    body: bytes
    kind: str = "application/json"


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
        self._calls = 0

    def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Reply:
        """What MLflow would answer; refusals are told in its own words, so that its client shows them."""
        try:
            return self._answered(method, path, query, body)
        except MlflowException as error:
            return Reply(error.get_http_status_code(), error.serialize_as_json().encode())

    def _answered(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Reply:
        self._calls += 1
        if self._calls > _MOST_CALLS:
            raise refusal(f"a script may ask MLflow {_MOST_CALLS} times")
        if path == _ARTEFACTS or path.startswith(f"{_ARTEFACTS}/"):
            return self._file(method, path.removeprefix(_ARTEFACTS).strip("/"), query, body)
        if not path.startswith(_API):
            raise MlflowException(f"No such path: {path[:200]}", ENDPOINT_NOT_FOUND)
        self.artefacts.count(len(body))
        name = path.removeprefix(_API).strip("/")
        given: dict[str, Any] = dict(query) if method == "GET" else _object(body)
        if match := _MODEL_PATH.fullmatch(name):
            name, given = (
                f"logged-models/{{model_id}}{match['part']}",
                {**given, "model_id": match["model_id"]},
            )
        return self._called(method, name, given)

    def _called(self, method: str, name: str, given: dict[str, Any]) -> Reply:
        from asgard_pipelines.models.job_calls import CALLS

        call = CALLS.get((method, name))
        if call is None:
            raise refusal(f"{method} {name[:200]} is not among what a script may ask of MLflow")
        kind, does = call
        message = kind()
        known = {field.name for field in message.DESCRIPTOR.fields}
        try:
            parse_dict({key: value for key, value in given.items() if key in known}, message)
        except (ParseError, TypeError, AttributeError, ValueError) as error:
            raise MlflowException(f"This is no {kind.__name__}: {error}", BAD_REQUEST) from None
        self._owned(message)
        response: Message = does(self, message)
        return Reply(200, message_to_json(response).encode())

    def _owned(self, message: Any) -> None:
        """Whatever the message names is the job's own; whatever tags it sets are not the house's."""
        names = {field.name for field in message.DESCRIPTOR.fields}
        for field in ("run_id", "run_uuid", "source_run_id"):
            if field in names and getattr(message, field):
                self.own_run(getattr(message, field))
        if "model_id" in names and message.model_id:
            self.own_model(message.model_id)
        if "experiment_id" in names and message.experiment_id != self.experiment_id:
            raise refusal(f"this script's experiment is '{self.experiment}'")
        for tag in message.tags if "tags" in names else ():
            self.own_tag(tag.key, tag.value)

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

    def _file(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Reply:
        listing = not path and method == "GET"
        kind, _, rest = (query.get("path", "") if listing else path).strip("/").partition("/")
        owner, _, name = rest.partition("/")
        if kind not in ("runs", "models"):
            raise refusal("files are of a run or a model of this script")
        (self.own_run if kind == "runs" else self.own_model)(owner)
        if listing:
            return Reply(200, json.dumps({"files": self.artefacts.listing(owner, name)}).encode())
        if method == "PUT":
            self.artefacts.put(owner, name, body, of_model=kind == "models")
            return Reply(200, b"{}")
        if method == "GET":
            return Reply(200, self.artefacts.get(owner, name), "application/octet-stream")
        raise refusal("files are put and read, nothing else")


def refusal(why: str) -> MlflowException:
    return MlflowException(f"Refused: {why}.", PERMISSION_DENIED)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise MlflowException(f"The body is no JSON: {error}", BAD_REQUEST) from None
    if not isinstance(found, dict):
        raise MlflowException("The body is no JSON object", BAD_REQUEST)
    return found
