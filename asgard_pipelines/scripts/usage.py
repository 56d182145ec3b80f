"""What all processes of a sandbox hold together, which no limit of the kernel's counts."""

from __future__ import annotations

import os

import psutil

from asgard_pipelines.scripts.limits import Limits


def excess_of(first: psutil.Process, limits: Limits) -> str | None:
    """What of memory or files is over its limit, in words.

    Args:
        first: the sandbox's first process, of which all others descend.
    """
    if (used := _memory(first)) > limits.memory:
        return f"it used {used} bytes of memory, more than {limits.memory}"
    if (made := _files(first)) > limits.files:
        return f"it made {made} files, more than {limits.files}"
    return None


def _memory(first: psutil.Process) -> int:
    """Bytes, each page counted once."""
    try:
        members = [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(_pages(member.pid) for member in members)


def _pages(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            held = [int(line.split()[1]) for line in rollup if line.startswith("Pss:")]
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # it has ended, or is just being started
        return 0
    return 1024 * sum(held)


def _files(first: psutil.Process) -> int:
    """Names in the folders that it may write to."""
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
