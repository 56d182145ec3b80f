"""A sandbox run to its end: within its limits, and never longer than whoever waits for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Thread

import psutil

from asgard_pipelines.scripts.launch import Started, started
from asgard_pipelines.scripts.limits import Limits
from asgard_pipelines.scripts.output import Output
from asgard_pipelines.scripts.sandbox import Sandbox

_LOOK_SECONDS = 0.05
_ENDING_SECONDS = 10.0


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
        first = run.first_process()
        try:
            return _watch(run, first, sandbox.limits, look)
        finally:
            _end(run, first)
            reader.join(_ENDING_SECONDS)


def _watch(run: Started, first: psutil.Process | None, limits: Limits, look: Callable[[], bool]) -> Ended:
    deadline = time.monotonic() + limits.seconds
    while (code := run.process.poll()) is None:
        if time.monotonic() > deadline:
            return Ended(-1, f"it ran for longer than {limits.seconds:g} seconds")
        if first is not None and (used := memory_of(first)) > limits.memory:
            return Ended(-1, f"it used {used} bytes of memory, more than {limits.memory}")
        if first is not None and (made := files_of(first)) > limits.files:
            return Ended(-1, f"it made {made} files, more than {limits.files}")
        if look():
            return Ended(-1, "it was cancelled", cancelled=True)
        time.sleep(_LOOK_SECONDS)
    return Ended(code, None)


def memory_of(first: psutil.Process) -> int:
    """Bytes that all of a sandbox's processes hold, each page counted once."""
    total = 0
    try:
        members = [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for member in members:
        try:
            with open(f"/proc/{member.pid}/smaps_rollup") as rollup:
                total += next((int(line.split()[1]) for line in rollup if line.startswith("Pss:")), 0) * 1024
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has ended, or is just being started: the next look sees it
    return total


def files_of(first: psutil.Process) -> int:
    """How many names there are in the folders that a sandbox may write to."""
    root, total = f"/proc/{first.pid}/root", 0
    try:
        if os.stat(root).st_dev == os.stat("/").st_dev:  # it still has this machine's
            return 0
        for place in ("tmp", "dev/shm"):
            told = os.statvfs(f"{root}/{place}")
            total += told.f_files - told.f_ffree
    except OSError:  # it has ended, or is just being laid out
        return 0
    return total


def _end(run: Started, first: psutil.Process | None) -> None:
    """The kernel ends a namespace's processes with its first one, and that one with bubblewrap."""
    run.process.kill()
    run.process.wait()
    deadline = time.monotonic() + _ENDING_SECONDS
    while first is not None and not _is_gone(first) and time.monotonic() < deadline:
        time.sleep(0.005)


def _is_gone(first: psutil.Process) -> bool:
    """It has ended, and with it all others; who has to take notice of that may take its time."""
    try:
        return first.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
