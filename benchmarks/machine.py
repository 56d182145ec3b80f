"""Where and with what something was measured."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

_LIBRARIES = ("feast", "pyiceberg", "pyarrow", "duckdb", "dask", "pandas", "numpy", "xgboost")


def machine() -> str:
    """`2 cores of AMD EPYC, 24 GB, Linux 6.1`."""
    cores = len(os.sched_getaffinity(0))
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{cores} cores of {_processor()}, {gigabytes:.0f} GB of memory, Linux {platform.release()}"


def versions() -> str:
    """`Python 3.11.7, feast 0.67.0, …`."""
    libraries = [f"{name} {version(name)}" for name in _LIBRARIES]
    return ", ".join([f"Python {platform.python_version()}", *libraries])


def now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
