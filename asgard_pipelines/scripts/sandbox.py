"""The sandbox: what a script sees of this machine, as bubblewrap's arguments."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asgard_pipelines
from asgard_pipelines.scripts.limits import Limits

GIVEN = Path("/given")
"""Where the job's own files are seen, read-only."""
INSIDE = "inside.py"
"""Among them, what runs the script."""
MLFLOW_PORT = 5000
"""Of the sandbox's own loopback."""
_SECONDS_MORE = 30
_SHARED = "64000000"
"""Bytes of memory that processes share by name."""
_SYSTEM = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/lib", "/lib32", "/lib64")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/usr/share/zoneinfo")


@dataclass(frozen=True)
class Mount:
    """A folder or file of this machine that is seen, never written; at the same place unless said."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Sandbox:
    """`given` is the job's own folder; `warehouse` are the folders of the tables that it may read."""

    given: Path
    warehouse: Sequence[Path]
    environment: Mapping[str, str]
    limits: Limits
    user: int
    """Its uid; that of this process unless this one is root."""

    def mounts(self) -> list[Mount]:
        """What is seen: the interpreter, its environment, the system's libraries, Asgard's own code (the
        offline store is part of it), the tables, the job's folder."""
        places = [Path(place) for place in (*_SYSTEM, *_SYSTEM_FILES)]
        places += [Path(sys.base_prefix)] if Path(sys.base_prefix) != Path("/usr") else [_interpreter()]
        places += [Path(sys.prefix), Path(asgard_pipelines.__file__).parent, *self.warehouse]
        wanted = sorted({place for place in places if place.exists() and not place.is_symlink()})
        shown = [
            one for one in wanted if not any(one.is_relative_to(other) for other in wanted if other != one)
        ]
        return [*(Mount(one, one) for one in shown), Mount(self.given, GIVEN)]

    def command(self, script: Path) -> list[str]:
        """What is run in it: `script`, as it is called inside, with what comes before and around it."""
        limits = (str(self.limits.processes), str(self.limits.seconds + _SECONDS_MORE))
        inside = str(GIVEN / INSIDE)
        return [sys.executable, "-I", "-S", inside, str(GIVEN), str(MLFLOW_PORT), *limits, str(script)]

    def arguments(self, sources: Mapping[Path, Path], seccomp: int, status: int) -> list[str]:
        """bubblewrap's, but for what is run in it.

        Args:
            sources: where each mount's source is to be found by whom bubblewrap runs as.
            seccomp, status: file descriptors: the filter; where bubblewrap says whom it started.
        """
        size = str(self.limits.disk)
        arguments = [
            *("--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"),
            *("--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"),
            *("--uid", str(self.user), "--gid", str(self.user)),
            *("--seccomp", str(seccomp), "--json-status-fd", str(status)),
            *("--proc", "/proc", "--dev", "/dev"),
            *("--size", _SHARED, "--tmpfs", "/dev/shm", "--size", size, "--tmpfs", "/tmp"),  # noqa: S108
        ]
        for link in (Path(place) for place in _SYSTEM):
            if link.is_symlink():
                arguments += ["--symlink", os.readlink(link), str(link)]
        for mount in self.mounts():
            arguments += ["--ro-bind", str(sources[mount.source]), str(mount.target)]
        for name, value in {**self._environment(), **self.environment}.items():
            arguments += ["--setenv", name, value]
        # What bubblewrap itself lays out is writable memory that no limit counts, until it is not.
        return [*arguments, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]  # noqa: S108

    def _environment(self) -> dict[str, str]:
        return {
            "USER": "script",
            "HOME": "/tmp",  # noqa: S108 (the sandbox's own)
            "PATH": str(Path(sys.executable).parent),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONDONTWRITEBYTECODE": "1",
        }


def _interpreter() -> Path:
    return Path(os.path.realpath(sys.executable))
