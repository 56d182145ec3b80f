"""One measurement, in a process of its own: what a call costs in wall time, CPU time and memory."""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all threads and child processes, user and system."""
    peak: int
    """Bytes: the most memory that was resident during the call, the interpreter and its imports included."""
    wrong: int | None
    """Cells that are not as expected; None where nobody looked."""


@dataclass(frozen=True)
class Failure:
    reason: str


@dataclass(frozen=True)
class Work:
    """`run` is timed; then, untimed, `wrong` says of its result how many cells are wrong."""

    run: Callable[[], object]
    wrong: Callable[[object], int] | None = None


def measured(prepare: Callable[[], Work], answer: Connection) -> None:
    """Prepares, untimed; does the work; sends an Outcome, or a Failure. Peers' own words go nowhere."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    try:
        answer.send(_outcome(prepare()))
    except Exception as error:  # a contender may fail in any way: that is its result
        answer.send(Failure(f"{type(error).__name__}: {error}"[:300]))


def _outcome(work: Work) -> Outcome:
    gc.collect()
    _forget_peak()
    cpu, wall = _cpu(), time.perf_counter()
    result = work.run()
    cpu, wall = _cpu() - cpu, time.perf_counter() - wall
    peak = _peak()
    return Outcome(wall, cpu, peak, work.wrong(result) if work.wrong else None)


def _cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _forget_peak() -> None:
    """From now on Linux counts this process's peak anew."""
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {os.getpid()} has no VmHWM: peaks are measured on Linux only")
