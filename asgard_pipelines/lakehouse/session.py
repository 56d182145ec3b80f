"""DuckDB sessions that see what they are given and nothing else."""

from __future__ import annotations

import duckdb

_CLOSED: dict[str, str | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "python_scan_all_frames": False,
    "allow_community_extensions": False,
    "temp_directory": "",
}


def connect(threads: int) -> duckdb.DuckDBPyConnection:
    """A session in memory: no files, no network, no extensions, no Python variables; UTC."""
    session = duckdb.connect(":memory:", config={**_CLOSED, "threads": threads})
    session.execute("SET TimeZone = 'UTC'")
    session.execute("SET lock_configuration = true")
    return session
