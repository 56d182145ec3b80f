"""A sandbox run to its end: within its limits, and never longer than whoever waits for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Thread

import psutil

from asgard_pipelines.scripts.launch import Started, started
from asgard_pipelines.scripts.limits import Limits
from asgard_pipelines.scripts.output import Output
from asgard_pipelines.scripts.sandbox import Sandbox
from asgard_pipelines.scripts.usage import excess_of

_LOOK_SECONDS = 0.05
_USAGE_SECONDS = 0.1
_ENDING_SECONDS = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ended:
    """`code` is that of the script; `reason` why it was ended before its time, in words."""

    code: int
    reason: str | None
    cancelled: bool = False


def run_in(
    sandbox: Sandbox,
    command: Sequence[str],
    output: Output,
    look: Callable[[], bool] = lambda: False,
) -> Ended:
    """Runs `command` in the sandbox; when this returns, or raises, no process of it is left.

    Args:
        output: gets all that is written.
        look: called every so often; when it says True, the script is cancelled.
    """
    with started(sandbox, command) as run:
        assert run.process.stdout is not None  # it is a pipe
        reader = Thread(target=output.read, args=[run.process.stdout], daemon=True)
        reader.start()
        first = None
        try:
            first = run.first_process()
            return _watch(run, first, sandbox.limits, look)
        finally:
            _end(run, first)
            reader.join(_ENDING_SECONDS)


def _watch(run: Started, first: psutil.Process | None, limits: Limits, look: Callable[[], bool]) -> Ended:
    deadline, usage_due = time.monotonic() + limits.seconds, 0.0
    while (code := run.process.poll()) is None:
        now = time.monotonic()
        if now > deadline:
            return Ended(-1, f"it ran for longer than {limits.seconds:g} seconds")
        if first is not None and now > usage_due:
            if excess := excess_of(first, limits):
                return Ended(-1, excess)
            # Counting pages takes time by their number: no more than a small share of it.
            usage_due = max(now + _USAGE_SECONDS, now + 20 * (time.monotonic() - now))
        if look():
            return Ended(-1, "it was cancelled", cancelled=True)
        time.sleep(_LOOK_SECONDS)
    return Ended(code, None)


def _end(run: Started, first: psutil.Process | None) -> None:
    """The kernel ends a namespace's processes with its first one, and that one with bubblewrap."""
    run.process.kill()
    run.process.wait()
    deadline = time.monotonic() + _ENDING_SECONDS
    while first is not None and not _is_gone(first):
        if time.monotonic() > deadline:
            _log.error("process %s, the first of a sandbox, does not end", first.pid)
            return
        time.sleep(0.005)


def _is_gone(first: psutil.Process) -> bool:
    """It has ended, and with it all others; who has to take notice of that may take its time."""
    try:
        return first.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
