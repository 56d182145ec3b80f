"""Addresses of databases: those in SQLite are files that several processes write."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL


def patient(address: URL, seconds: int = 60) -> URL:
    """One in SQLite has a folder, and its lock is waited for: the default of 5 s is short for a run beside a
    sensor. Others are as they were."""
    if address.get_backend_name() != "sqlite":
        return address
    if address.database and address.database != ":memory:":
        Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    return address.set(query={"timeout": str(seconds), **address.query})
