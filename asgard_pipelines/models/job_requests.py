"""MLflow's REST protocol, as one uploaded script may speak it: each request is read, and done, here.

Nothing is passed on as it came, so no address, path or name in a request reaches further than what is asked
for here (`job_calls.py`), and all that it names must be the job's own (`job_tracking.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import ParseError
from google.protobuf.message import Message
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, ENDPOINT_NOT_FOUND
from mlflow.utils.proto_json_utils import message_to_json, parse_dict

from asgard_pipelines.models.job_calls import CALLS
from asgard_pipelines.models.job_tracking import JobTracking, refusal

_API = "/api/2.0/mlflow/"
_ARTEFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_MODEL_PATH = re.compile(r"logged-models/(?P<model_id>m-[0-9a-f]{1,64})(?P<part>/tags|/params|)")
_MOST_CALLS = 50_000


@dataclass(frozen=True)
class Reply:
    """What is answered: JSON, or a file's bytes."""

    status: int
    body: bytes
    kind: str = "application/json"


class JobRequests:
    """Those of one job. Not for several threads at once."""

    def __init__(self, tracking: JobTracking) -> None:
        self._tracking = tracking
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
        self._tracking.artefacts.count(len(body))
        name = path.removeprefix(_API).strip("/")
        given: dict[str, Any] = dict(query) if method == "GET" else _object(body)
        if match := _MODEL_PATH.fullmatch(name):
            name, given = (
                f"logged-models/{{model_id}}{match['part']}",
                {**given, "model_id": match["model_id"]},
            )
        return self._called(method, name, given)

    def _called(self, method: str, name: str, given: dict[str, Any]) -> Reply:
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
        response: Message = does(self._tracking, message)
        return Reply(200, message_to_json(response).encode())

    def _owned(self, message: Any) -> None:
        """Whatever the message names is the job's own; whatever tags it sets are not the house's."""
        names = {field.name for field in message.DESCRIPTOR.fields}
        for field in ("run_id", "run_uuid", "source_run_id"):
            if field in names and getattr(message, field):
                self._tracking.own_run(getattr(message, field))
        if "model_id" in names and message.model_id:
            self._tracking.own_model(message.model_id)
        if "experiment_id" in names and message.experiment_id != self._tracking.experiment_id:
            raise refusal(f"this script's experiment is '{self._tracking.experiment}'")
        for tag in message.tags if "tags" in names else ():
            self._tracking.own_tag(tag.key, tag.value)

    def _file(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Reply:
        listing = not path and method == "GET"
        kind, _, rest = (query.get("path", "") if listing else path).strip("/").partition("/")
        owner, _, name = rest.partition("/")
        if kind not in ("runs", "models"):
            raise refusal("files are of a run or a model of this script")
        (self._tracking.own_run if kind == "runs" else self._tracking.own_model)(owner)
        if listing:
            return Reply(200, json.dumps({"files": self._tracking.artefacts.listing(owner, name)}).encode())
        if method == "PUT":
            self._tracking.artefacts.put(owner, name, body, of_model=kind == "models")
            return Reply(200, b"{}")
        if method == "GET":
            return Reply(200, self._tracking.artefacts.get(owner, name), "application/octet-stream")
        raise refusal("files are put and read, nothing else")


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise MlflowException(f"The body is no JSON: {error}", BAD_REQUEST) from None
    if not isinstance(found, dict):
        raise MlflowException("The body is no JSON object", BAD_REQUEST)
    return found
