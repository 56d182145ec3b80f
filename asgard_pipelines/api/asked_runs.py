"""Runs that requests have asked for: waited for; and what was declared withdrawn, if it was no good."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

from fastapi import Query, Response
from starlette.concurrency import run_in_threadpool

from asgard_pipelines.api.house import House
from asgard_pipelines.errors import AsgardError, Conflict
from asgard_pipelines.state import Made

if TYPE_CHECKING:
    from asgard_pipelines.graph import RunState

WAIT_SECONDS = 300.0
_POLL_SECONDS = 0.5
_log = logging.getLogger(__name__)
T = TypeVar("T")

Wait = Annotated[
    bool, Query(description="Whether to answer when the run has ended; false: at once, with 202.")
]
WaitSeconds = Annotated[
    float, Query(ge=0, le=3600, description="How long to wait for the run before answering 202.")
]


@dataclass(frozen=True)
class Declaring:
    """What a request declares."""

    made: Made
    changed: bool
    """Whether it stands since this request."""
    author: str
    proven: bool = False
    """Whether it has worked before: if it fails now, it was not the declaration's fault."""


@dataclass(frozen=True)
class AskedRun:
    """A run, and what was declared for it."""

    run_id: str
    declaring: Declaring


def once_loaded(house: House, declaring: Declaring, ask: Callable[[], T]) -> T:
    """What `ask` gives, when Dagster knows what was declared. If that fails, it is withdrawn."""
    try:
        if declaring.changed or not declaring.proven:  # who declared it may have died before telling Dagster
            house.runs.reload()
        return ask()
    except AsgardError:
        if declaring.changed:
            _withdraw(house, declaring)
        raise


async def completed(house: House, asked: AskedRun, seconds: float) -> RunState | None:
    """The run as it completed, None if it has not after so many seconds; it is followed to its end then.

    Raises:
        AsgardError: the typed error with which it failed. Where the declaration was to blame (a 4xx), and
            has never worked, it is withdrawn: what it replaced stands again.
    """
    if not await _ended(house, asked.run_id, time.monotonic() + seconds):
        follower = asyncio.create_task(_follow(house, asked))
        house.followers.add(follower)  # else nobody would hold it, and it could vanish
        follower.add_done_callback(house.followers.discard)
        return None
    return await run_in_threadpool(_outcome, house, asked)


def running(response: Response, run_id: str) -> None:
    """The answer is 202, and says where to look."""
    response.status_code = 202
    response.headers["Location"] = f"/feast/runs/{run_id}"


async def _ended(house: House, run_id: str, deadline: float) -> bool:
    while not await run_in_threadpool(house.runs.ended, run_id):
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


async def _follow(house: House, asked: AskedRun) -> None:
    await _ended(house, asked.run_id, float("inf"))
    try:
        await run_in_threadpool(_outcome, house, asked)
    except AsgardError as error:
        _log.warning("run %s, which nobody waited for any more, failed: %s", asked.run_id, error.message)


def _outcome(house: House, asked: AskedRun) -> RunState:
    state = house.runs.state(asked.run_id)
    if state.status == "completed":
        return state
    error = state.error()
    if not asked.declaring.proven and 400 <= error.status < 500:
        _withdraw(house, asked.declaring)
    raise error


def _withdraw(house: House, declaring: Declaring) -> None:
    from asgard_pipelines.project import replaced, withdraw

    made = declaring.made
    with house.declaring(patient=True):
        try:
            withdraw(house.settings, made, replaced(house.settings, made), declaring.author)
        except Conflict as needed:  # somebody has built on it in the meantime: it stays, and is theirs to end
            _log.warning("%s '%s' stays declared: %s", made.kind, made.name, needed.message)
            return
        house.reload()
