"""What of a file the end of the machine would lose: pages that were written and have not reached the disk."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

_CACHESTAT = 451
"""The system call's number, on every architecture; Linux has it since 6.5."""


class _Range(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))


class _Pages(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64) for name in ("cached", "dirty", "in_writing", "evicted", "recently_evicted")
    )


def pages_not_on_disk(path: Path) -> int:
    """Skips the test where the system does not tell, or the folder is on no disk."""
    probe = path.with_name("probe")
    with probe.open("wb", buffering=0) as file:
        file.write(b"x")
        before = _unwritten(probe)
        os.fsync(file.fileno())
    if (before, _unwritten(probe)) != (1, 0):
        pytest.skip("this system does not tell what of a file is on disk")
    return _unwritten(path)


def _unwritten(path: Path) -> int:
    """-1: it is not told."""
    found = _Pages()
    with path.open("rb") as file:
        call = ctypes.CDLL(None).syscall
        failed = call(_CACHESTAT, file.fileno(), ctypes.byref(_Range(0, 0)), ctypes.byref(found), 0)
    return -1 if failed else int(found.dirty + found.in_writing)
