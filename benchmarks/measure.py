"""Contenders measured in turns, each time in a fresh process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext, SpawnContext
from statistics import median
from typing import Literal

from benchmarks.child import Failure, Outcome, Work, measured

_SECONDS = 1200
"""Then a measurement is given up."""
_LOADED = [
    "benchmarks.pit",
    "benchmarks.contenders",
    "feast.infra.offline_stores.duckdb",
    "feast.infra.offline_stores.dask",
]
"""Imported once, by the process that all measured ones are forked from."""


@dataclass
class Measured:
    """What one contender took in one experiment: medians over its runs."""

    outcomes: list[Outcome] = field(default_factory=list)
    failure: str | None = None

    @property
    def wall(self) -> float:
        return median(outcome.wall for outcome in self.outcomes)

    @property
    def cpu(self) -> float:
        return median(outcome.cpu for outcome in self.outcomes)

    @property
    def peak(self) -> int:
        """The greatest of all runs: a bound on memory is one that always holds."""
        return max(outcome.peak for outcome in self.outcomes)

    @property
    def wrong(self) -> int | None:
        found = [outcome.wrong for outcome in self.outcomes if outcome.wrong is not None]
        return max(found) if found else None


@dataclass(frozen=True)
class Contender:
    prepare: Callable[[], Work]
    """Is sent to the measured process, which calls it."""
    runs: int = 5


Method = Literal["forkserver", "spawn"]
"""From a process that has imported everything, or each as an interpreter of its own."""


def in_turns(
    contenders: Mapping[str, Contender], told: Callable[[str], None], method: Method = "forkserver"
) -> dict[str, Measured]:
    """A run of each, then the next of each, so that a disturbance hits all alike."""
    results = {name: Measured() for name in contenders}
    for turn in range(max(contender.runs for contender in contenders.values())):
        for name, contender in contenders.items():
            if turn >= contender.runs or results[name].failure:
                continue
            told(f"{name}, run {turn + 1} of {contender.runs}")
            found = once(contender.prepare, method)
            if isinstance(found, Failure):
                results[name] = Measured(failure=found.reason)
            else:
                results[name].outcomes.append(found)
    return results


def once(prepare: Callable[[], Work], method: Method) -> Outcome | Failure:
    context: ForkServerContext | SpawnContext = multiprocessing.get_context("spawn")
    if method == "forkserver":
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_LOADED)
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=measured, args=(prepare, there), daemon=True)
    process.start()
    there.close()
    try:
        if not here.poll(_SECONDS):
            return Failure(f"not done after {_SECONDS} s")
        found: Outcome | Failure = here.recv()
        return found
    except EOFError:
        process.join()
        return Failure(f"the process ended with code {process.exitcode}: was there memory enough?")
    finally:
        process.kill()
        process.join()
