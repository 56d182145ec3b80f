"""The online stores: reads in process, beside Feast's own in the same place."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.child import Failure, Work
from benchmarks.measure import once
from benchmarks.online_reads import SAMPLES, read_in_turns
from benchmarks.online_world import places, redis_server, source

_KEYS = 20_000


@dataclass
class Online:
    reads: dict[tuple[str, int], dict[str, float]] = field(default_factory=dict)
    """By store and keys a read: of each contender the median, in seconds."""
    failures: dict[str, str] = field(default_factory=dict)
    """What Feast has for reads and could not be read, and why."""


def measure(root: Path, scale: float, runs: int, told: Callable[[str], None]) -> Online:
    """`runs` is not asked: a run is some hundreds of reads of each, in turns."""
    found = Online()
    keys = source(root, max(2_000, min(_KEYS, int(_KEYS * scale))))
    samples = SAMPLES if scale >= 1 else SAMPLES // 10
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        with redis_server() as (port, _):
            for name, (url, feast) in places(port, folder).items():
                told(f"reads from {name}")
                _read(found, name, partial(read_in_turns, url, feast, keys, folder, samples), folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _read(found: Online, name: str, asked: Callable[[], None], folder: Path) -> None:
    given = once(partial(Work, asked), "spawn")
    if isinstance(given, Failure):
        raise RuntimeError(f"reads from {name}: {given.reason}")
    told = json.loads((folder / "reads.json").read_text())
    found.reads |= {(name, int(size)): medians for size, medians in told["medians"].items()}
    found.failures |= {f"{name}, {who}": why for who, why in told["failures"].items()}
