"""The compiled declarations, held in this process for as long as nothing has changed that they come from."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from asgard_pipelines.declarations import Declarations
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import made_revision

_MOST = 8
_SETTLED_NS = 2_000_000_000
"""A file that changed less than this before it was looked at may change again without a trace: clocks of
file systems tick in steps of milliseconds, and of network file systems apart from ours."""

Stamp = tuple[str, tuple[tuple[str, int, int, int], ...]]


@dataclass(frozen=True)
class _Held:
    stamp: Stamp
    settled: bool
    """Whether any later change of a file would show in its stamp."""
    declarations: Declarations


class HeldDeclarations:
    """Safe to use from several threads. `files` are the repo's sources."""

    def __init__(self, files: Callable[[Path], list[Path]]) -> None:
        self._files = files
        self._lock = Lock()
        self._held: OrderedDict[tuple[str, ...], _Held] = OrderedDict()

    def get(self, settings: Settings, read: Callable[[Settings], Declarations]) -> Declarations:
        """Those that are held, else what `read` gives."""
        looked_at = time.time_ns()
        stamp = _stamp(settings, self._files(settings.repo))
        with self._lock:
            held = self._held.get(_key(settings))
        if held is not None and held.settled and held.stamp == stamp:
            return held.declarations
        declarations = read(settings)
        last_change = max((changed for _, _, _, changed in stamp[1]), default=0)
        with self._lock:
            settled = looked_at - last_change > _SETTLED_NS
            self._held[_key(settings)] = _Held(stamp, settled, declarations)
            self._held.move_to_end(_key(settings))
            while len(self._held) > _MOST:
                self._held.popitem(last=False)
        return declarations


def _key(settings: Settings) -> tuple[str, ...]:
    return str(settings.repo), str(settings.state_folder), settings.state_database, settings.gold_schema


def _stamp(settings: Settings, files: list[Path]) -> Stamp:
    """What was made over REST, and of each file its inode, its size, and when it changed last: nobody can set
    that time back, as a copy does with the time of its last writing."""
    found = []
    for path in files:
        with suppress(FileNotFoundError):  # gone since it was listed
            status = os.stat(path)
            found.append((str(path), status.st_ino, status.st_size, status.st_ctime_ns))
    return made_revision(settings), tuple(found)
