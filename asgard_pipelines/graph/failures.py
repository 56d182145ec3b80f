"""Why an asset failed, for programs: the typed error's code and details travel with the run's failure."""

import json
from collections.abc import Callable, Iterator
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any, ParamSpec, TypeVar

import dagster as dg
from dagster import DagsterEventType

from asgard_pipelines.declarations import Record
from asgard_pipelines.errors import AsgardError, recalled

P = ParamSpec("P")
R = TypeVar("R")
_ERROR = "asgard/error"


class RunFailure(Record):
    """One asset's failure. `code` is that of a typed error; None for any other, whose `message` may say
    what is nobody's business outside."""

    asset: str
    code: str | None
    message: str
    details: dict[str, Any]

    def error(self) -> AsgardError | None:
        """The typed error as it was raised."""
        return recalled(self.code, self.message, self.details) if self.code else None


def telling(function: Callable[P, R]) -> Callable[P, R]:
    """An asset's function whose typed errors keep their code and details in Dagster's records."""
    if isgeneratorfunction(function):

        @wraps(function)
        def generated(*args: P.args, **kwargs: P.kwargs) -> Iterator[Any]:
            try:
                yield from function(*args, **kwargs)
            except AsgardError as error:
                raise _failure(error) from error

        return generated  # type: ignore[return-value]  # a generator function as well

    @wraps(function)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except AsgardError as error:
            raise _failure(error) from error

    return told


def failure_of(event: dg.DagsterEvent) -> RunFailure:
    """What a step's failure says."""
    if event.event_type != DagsterEventType.STEP_FAILURE:
        raise ValueError(f"{event.event_type} is no failure of a step")
    asset = (event.step_key or "").replace("__", "/")
    data = event.step_failure_data
    told = data.user_failure_data.metadata.get(_ERROR) if data.user_failure_data else None
    if told is not None:
        found: Any = told.value
        return RunFailure(asset=asset, **found)
    return RunFailure(asset=asset, code=None, message=_cause(data.error), details={})


def _failure(error: AsgardError) -> dg.Failure:
    details = json.loads(json.dumps(dict(error.details), default=str))
    record = {"code": error.code, "message": error.message, "details": details}
    return dg.Failure(error.message, metadata={_ERROR: dg.MetadataValue.json(record)})


def _cause(error: Any) -> str:
    """The innermost message: Dagster wraps what an asset raised."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else "failed"
