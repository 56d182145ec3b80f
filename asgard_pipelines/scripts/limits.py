"""How much one script may use."""

from __future__ import annotations

from dataclasses import dataclass

from asgard_pipelines.settings import Settings

_OPEN_FILES = 1024
_FILES = 100_000


@dataclass(frozen=True)
class Limits:
    """`seconds` by the clock, `cpu_seconds` of each process; sizes in bytes.

    `memory` is of all its processes together, and watched. Each alone is held by the kernel too, which
    counts what is reserved: numeric libraries reserve more than they use, so there it is a little more.
    """

    seconds: float
    cpu_seconds: int
    memory: int
    disk: int
    processes: int
    open_files: int = _OPEN_FILES
    files: int = _FILES
    """In its own folder: names take memory that is not counted as size."""

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        return cls(
            seconds=settings.scripts_seconds,
            cpu_seconds=settings.scripts_cpu_seconds,
            memory=settings.scripts_memory,
            disk=settings.scripts_disk,
            processes=settings.scripts_processes,
        )

    def for_prlimit(self) -> dict[str, int]:
        """Option of `prlimit` -> value. That of processes is set inside, where it counts no others."""
        return {
            "as": 2 * self.memory + 4_000_000_000,
            "data": self.memory + 1_000_000_000,
            "cpu": self.cpu_seconds,
            "fsize": self.disk,
            "nofile": self.open_files,
            "core": 0,
        }
