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
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from asgard_pipelines_tests.contracts.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
PACKAGE, SUITE = "asgard_pipelines", "asgard_pipelines_tests/contracts"
SECONDS = 240


@dataclass(frozen=True)
class Outcome:
    mutant: str
    caught_by: str
    """Empty for a fault that went uncaught."""
    seconds: float


def main() -> int:
    """Exit code: how many faults went uncaught, at most 1 when a place to plant is gone."""
    gone = [mutant for mutant in MUTANTS if _source(ROOT, mutant).count(mutant.old) != 1]
    for mutant in gone:
        print(f"'{mutant.name}' has no place any more: {mutant.file} does not hold once:\n{mutant.old}")
    if gone:
        return 1
    width = max(len(mutant.name) for mutant in MUTANTS)
    uncaught = 0
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        unharmed = pool.submit(_run, Mutant("", MUTANTS[0].file, MUTANTS[0].old, MUTANTS[0].old))
        for outcome in pool.map(_run, MUTANTS):
            uncaught += not outcome.caught_by
            caught_by = outcome.caught_by or "UNCAUGHT"
            print(f"{outcome.mutant:<{width}}  {outcome.seconds:4.0f} s  {caught_by}", flush=True)
    if unharmed.result().caught_by:
        print(f"\nThis says nothing: without any fault {unharmed.result().caught_by} fails as well")
        return 1
    print(f"\n{len(MUTANTS) - uncaught} of {len(MUTANTS)} faults caught")
    return uncaught


def _source(root: Path, mutant: Mutant) -> str:
    return (root / PACKAGE / mutant.file).read_text()


def _run(mutant: Mutant) -> Outcome:
    """Runs the suite on a copy with the fault, until the first test fails."""
    with TemporaryDirectory(prefix="asgard_mutant_") as folder:
        copy = Path(folder)
        shutil.copytree(ROOT / PACKAGE, copy / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / SUITE, copy / SUITE, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        planted = _source(copy, mutant).replace(mutant.old, mutant.new)
        (copy / PACKAGE / mutant.file).write_text(planted)
        begun = time.monotonic()
        caught_by = _first_failure(copy)
        return Outcome(mutant.name, caught_by, time.monotonic() - begun)


def _first_failure(copy: Path) -> str:
    tests = ["test_promises.py", "test_keys.py", "test_pinned_tables.py", "test_many_rows.py"]
    tests += ["test_generated_cases.py", "test_generated_tables.py"]
    command = [
        *(sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider"),
        *("--hypothesis-profile=first-failure", "--hypothesis-seed=0"),
        *(f"{SUITE}/{test}" for test in tests),
    ]
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(copy)}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {SECONDS} s"
    if done.returncode == 0:
        return ""
    failed = re.search(r"^(?:FAILED|ERROR) \S*/(\S+)", done.stdout, re.MULTILINE)
    return (
        failed[1]
        if failed
        else f"pytest ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}"
    )


if __name__ == "__main__":
    sys.exit(main())
