"""Which process works on which run, so that a killed worker is noticed."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, String, Table, insert, select

from asgard_pipelines.settings import Settings
from asgard_pipelines.state.database import database, metadata
from asgard_pipelines.state.processes import Doer, this_process

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
        connection.execute(insert(_workers).values(run_id=run_id, **this_process()._asdict()))


def worker_is_gone(settings: Settings, run_id: str) -> bool:
    """True if the process that signed in for `run_id` ran on this machine and is no more."""
    with database(settings).connect() as connection:
        row = connection.execute(select(_workers).where(_workers.c.run_id == run_id)).one_or_none()
    return row is not None and Doer(row.host, row.pid, row.started).is_gone()
