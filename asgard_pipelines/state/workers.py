"""Which process works on which run, so that a killed worker is noticed."""

from __future__ import annotations

import os
import socket

import psutil
from sqlalchemy import Column, Float, Integer, String, Table, insert, select

from asgard_pipelines.settings import Settings
from asgard_pipelines.state.database import database, metadata

_workers = Table(
    "run_workers",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", Float, nullable=False),
)


def sign_in(settings: Settings, run_id: str) -> None:
    """This process works on `run_id`. Every step may say so; the first counts."""
    with database(settings).begin() as connection:
        if connection.execute(select(_workers.c.run_id).where(_workers.c.run_id == run_id)).one_or_none():
            return
        connection.execute(
            insert(_workers).values(
                run_id=run_id,
                host=socket.gethostname(),
                pid=os.getpid(),
                started=psutil.Process().create_time(),
            )
        )


def worker_is_gone(settings: Settings, run_id: str) -> bool:
    """True if the process that signed in for `run_id` ran on this machine and is no more."""
    with database(settings).connect() as connection:
        row = connection.execute(select(_workers).where(_workers.c.run_id == run_id)).one_or_none()
    if row is None or row.host != socket.gethostname():
        return False
    if not psutil.pid_exists(row.pid):
        return True
    try:
        process = psutil.Process(row.pid)
        return process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - row.started) > 1
    except psutil.NoSuchProcess:
        return True
