"""Does the contract catch faults? Plants one at a time in a copy of the package, and runs the suite on it.

`make mutants`. A fault is a piece of source that is replaced by another; when the piece is not there any
more, the script says so and fails, as it does when a fault goes uncaught.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from asgard_pipelines_tests.contracts.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
PACKAGE, SUITE = "asgard_pipelines", "asgard_pipelines_tests/contracts"
# The quick ones first: most faults need no more.
TESTS = (
    "test_promises",
    "test_keys",
    "test_pinned_tables",
    "test_many_rows",
    "test_generated_cases",
    "test_generated_tables",
)
SECONDS = 240
ALL_PASS = "all tests pass"


@dataclass(frozen=True)
class Outcome:
    mutant: str
    caught: bool
    by: str
    """The first test that failed, or why none did."""
    seconds: float


def main() -> int:
    """Exit code: how many faults went uncaught; 1 when that cannot be told."""
    with TemporaryDirectory(prefix="asgard_mutants_") as folder:
        standing = Path(folder, "standing")  # others may go on editing the checkout
        shutil.copytree(ROOT / PACKAGE, standing / PACKAGE)
        shutil.copytree(ROOT / SUITE, standing / SUITE)
        shutil.copy(ROOT / "pyproject.toml", standing)
        gone = [mutant for mutant in MUTANTS if _source(standing, mutant).count(mutant.old) != 1]
        for mutant in gone:
            print(f"'{mutant.name}' has no place any more: {mutant.file} does not hold once:\n{mutant.old}")
        return 1 if gone else _plant_all(standing)


def _plant_all(standing: Path) -> int:
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        unharmed = pool.submit(_run, standing, replace(MUTANTS[0], new=MUTANTS[0].old))
        width = max(len(mutant.name) for mutant in MUTANTS)
        caught = 0
        for outcome in pool.map(partial(_run, standing), MUTANTS):
            caught += outcome.caught
            says = outcome.by if outcome.caught else f"UNCAUGHT: {outcome.by}"
            print(f"{outcome.mutant:<{width}}  {outcome.seconds:4.0f} s  {says}", flush=True)
    if unharmed.result().by != ALL_PASS:
        print(f"\nThis says nothing: without any fault planted, {unharmed.result().by} fails as well")
        return 1
    print(f"\n{caught} of {len(MUTANTS)} faults caught")
    return len(MUTANTS) - caught


def _source(root: Path, mutant: Mutant) -> str:
    return (root / PACKAGE / mutant.file).read_text()


def _run(standing: Path, mutant: Mutant) -> Outcome:
    """Runs the suite on a copy with the fault, until the first test fails."""
    with TemporaryDirectory(prefix="asgard_mutant_") as folder:
        copy = Path(folder, "copy")
        shutil.copytree(standing, copy)
        planted = _source(copy, mutant).replace(mutant.old, mutant.new)
        (copy / PACKAGE / mutant.file).write_text(planted)
        begun = time.monotonic()
        caught, by = _first_failure(copy)
        return Outcome(mutant.name, caught, by, time.monotonic() - begun)


def _first_failure(copy: Path) -> tuple[bool, str]:
    command = [
        *(sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider"),
        *("--hypothesis-profile=first-failure", "--hypothesis-seed=0"),
        *(f"{SUITE}/{test}.py" for test in TESTS),
    ]
    environment = os.environ | {"PYTHONPATH": str(copy), "TMPDIR": str(copy)}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return True, f"no answer within {SECONDS} s"
    failed = re.search(r"^(?:FAILED|ERROR) \S*/(\S+)", done.stdout, re.MULTILINE)
    if done.returncode == 1 and failed:
        return True, failed[1]
    if done.returncode == 0:
        return False, ALL_PASS
    return False, f"the tests cannot be run:\n{done.stdout[-1000:]}{done.stderr[-1000:]}"


if __name__ == "__main__":
    sys.exit(main())
