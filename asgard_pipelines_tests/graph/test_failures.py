"""A run's failure keeps the typed error that caused it, for whoever asked for the run in another process."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest

from asgard_pipelines.errors import (
    AsgardError,
    BackendUnavailable,
    Conflict,
    NotEnoughSamples,
    NotFound,
    TableNotFound,
    recalled,
)
from asgard_pipelines.graph.failures import telling
from asgard_pipelines.graph.run_states import RunState, run_state


@dg.asset
@telling
def starved() -> None:
    raise NotEnoughSamples("Not enough samples.", rows=0, since=datetime(2024, 1, 1))


@dg.asset
@telling
def lost() -> Iterator[dg.MaterializeResult[None]]:
    if datetime.now(UTC).year < 2000:
        yield dg.MaterializeResult()
    raise TableNotFound("gold.saels", ["gold.sales"])


@dg.asset
@telling
def broken() -> None:
    raise ZeroDivisionError("/home/somebody/secret.py")


@dg.asset
@telling
def sound() -> int:
    return 1


def state_after(asset: dg.AssetsDefinition) -> RunState:
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([asset], instance=instance, raise_on_error=False)
        return run_state(instance, result.run_id)


@pytest.mark.parametrize(
    ("asset", "error", "details"),
    [
        (starved, NotEnoughSamples, {"rows": 0, "since": "2024-01-01 00:00:00"}),
        (lost, TableNotFound, {"table": "gold.saels", "available_tables": ["gold.sales"]}),
    ],
)
def test_a_typed_error_comes_back_as_it_was_raised(
    asset: dg.AssetsDefinition, error: type[AsgardError], details: dict[str, object]
) -> None:
    state = state_after(asset)
    assert (state.status, state.done) == ("failed", [])
    told = state.error()
    assert type(told) is error
    assert told.details == {**details, "run_id": state.run_id}
    assert [failure.asset for failure in state.failures] == [asset.key.to_user_string()]


def test_what_nobody_foresaw_tells_nothing_of_the_machine() -> None:
    state = state_after(broken)
    told = state.error()
    assert (told.code, told.status) == ("RUN_FAILED", 500)
    assert "secret" not in told.message
    assert state.failures[0].code is None


def test_a_run_that_went_well_has_no_failures() -> None:
    state = state_after(sound)
    assert (state.status, state.done, state.failures) == ("completed", ["sound"], [])
    assert state.started_at is not None
    assert state.ended_at is not None
    assert state.asked_at <= state.ended_at


@pytest.mark.parametrize(
    ("status", "kind"), [("cancelled", Conflict), ("failed", BackendUnavailable)], ids=["cancelled", "killed"]
)
def test_a_run_that_was_stopped_from_outside_can_be_asked_for_again(
    status: str, kind: type[AsgardError]
) -> None:
    state = state_after(sound).model_copy(update={"status": status})
    assert isinstance(state.error(), kind)


def test_an_unknown_run_is_not_found() -> None:
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(NotFound):
        run_state(instance, "none")


def test_every_error_is_recalled_by_its_code() -> None:
    kinds: list[type[AsgardError]] = [AsgardError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    for kind in kinds:
        error = recalled(kind.code, "told", {"a": 1})
        assert error is not None
        assert (error.code, error.status, error.message, error.details) == (
            kind.code,
            kind.status,
            "told",
            {"a": 1},
        )
    assert recalled("NO_SUCH_CODE", "told", {}) is None
