"""One run reads each table at one snapshot: the first reader pins it for all that follow.

A plan, of which a run is made, has pins too, by its hash in the place of a run's id: what it was decided on.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table, insert, select, update
from sqlalchemy.exc import IntegrityError

from asgard_pipelines.settings import Settings
from asgard_pipelines.state.database import database, metadata

_pins = Table(
    "run_pins",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("table_name", String(300), primary_key=True),
    Column("snapshot_id", BigInteger),
)


def run_pins(settings: Settings, run_id: str) -> dict[str, int | None]:
    """`{table: snapshot id}` of what `run_id` has pinned so far."""
    with database(settings).connect() as connection:
        rows = connection.execute(select(_pins).where(_pins.c.run_id == run_id))
        return {row.table_name: row.snapshot_id for row in rows}


def pin_once(settings: Settings, run_id: str, table: str, snapshot_id: int | None) -> int | None:
    """Pins `table` for `run_id` unless it is pinned; the snapshot id that holds."""
    try:
        with database(settings).begin() as connection:
            connection.execute(insert(_pins).values(run_id=run_id, table_name=table, snapshot_id=snapshot_id))
        return snapshot_id
    except IntegrityError:  # another step of the run was first: its pin holds
        return run_pins(settings, run_id)[table]


def move_pin(settings: Settings, run_id: str, table: str, snapshot_id: int | None) -> None:
    """`run_id` wrote `table` itself: from here on it reads what it wrote."""
    pin_once(settings, run_id, table, snapshot_id)
    with database(settings).begin() as connection:
        connection.execute(
            update(_pins)
            .where(_pins.c.run_id == run_id, _pins.c.table_name == table)
            .values(snapshot_id=snapshot_id)
        )
