"""The ledger of materializations: one row a run, and up to which of them each store is complete.

A run is written down before it writes anything else, and again when it ends; one that says it runs while
its process is no more was interrupted. The watermark of a view in a store is a run: what the store holds
is what the view's table held at that run's snapshot. Runs since then that did not move it may have
written rows as well; they are `unsettled` until one that does has put right what they left.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    DateTime,
    Float,
    Integer,
    Row,
    String,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from asgard_pipelines.settings import Settings
from asgard_pipelines.state.database import database, metadata
from asgard_pipelines.state.materialization_record import MOVING, Figures, Materialization
from asgard_pipelines.state.processes import Doer, this_process

_LONGEST = timedelta(days=1)
"""A run of another machine that is older and has not ended is taken for interrupted."""

_runs = Table(
    "materializations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", String(64), nullable=False, unique=True),
    Column("asked_as", String(64), index=True),
    Column("dagster_run", String(64)),
    Column("view", String(128), nullable=False, index=True),
    Column("store", String(500), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("table_name", String(300), nullable=False),
    Column("read_as", JSON, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("from_snapshot", BigInteger),
    Column("to_snapshot", BigInteger),
    Column("as_of", DateTime, nullable=False),
    Column("window_start", DateTime),
    Column("window_end", DateTime),
    Column("remark", Text),
    Column("started", DateTime, nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started", Float, nullable=False),
    Column("finished", DateTime),
    Column("rows_read", BigInteger, nullable=False, default=0),
    Column("written", BigInteger, nullable=False, default=0),
    Column("skipped", BigInteger, nullable=False, default=0),
    Column("files_read", BigInteger, nullable=False, default=0),
    Column("bytes_read", BigInteger, nullable=False, default=0),
    Column("error", Text),
    Column("settled_by", String(64)),
)

_watermarks = Table(
    "materialization_watermarks",
    metadata,
    Column("view", String(128), primary_key=True),
    Column("store", String(500), primary_key=True),
    Column("run_id", String(64), nullable=False),
)


def begin_materialization(settings: Settings, run: Materialization) -> None:
    """Writes down that this process begins the run."""
    doer = this_process()
    values = run.model_dump(exclude={"interrupted"}) | {
        "host": doer.host,
        "pid": doer.pid,
        "process_started": doer.started,
    }
    with database(settings).begin() as connection:
        connection.execute(insert(_runs).values(**_plain(values)))


def fail_materialization(settings: Settings, run_id: str, error: str, figures: Figures) -> None:
    with database(settings).begin() as connection:
        _end(connection, run_id, figures, error=error)


def finish_materialization(
    settings: Settings,
    run: Materialization,
    figures: Figures,
    *,
    moves_from: Materialization | None = None,
    settles: Sequence[str] = (),
) -> Materialization:
    """Writes down that the run is complete; unless it is of a window or a push, it becomes the watermark.

    That happens only while the watermark is still `moves_from` (None: there was none); otherwise somebody
    else has moved it, and this run stays unsettled.

    Args:
        settles: runs that this one has put right; they count no more, if the watermark moves.

    Returns:
        The run as the ledger has it now.
    """
    with database(settings).begin() as connection:
        moves, remark = run.kind in MOVING, run.remark
        moved = moves and _move(connection, run, moves_from)
        if moves and not moved:
            told = "Another run moved the watermark meanwhile, and it stays there."
            remark = f"{run.remark} {told}" if run.remark else told
        _end(connection, run.run_id, figures, remark=remark)
        if moved:
            gone = [*settles, *([moves_from.run_id] if moves_from else [])]
            connection.execute(update(_runs).where(_runs.c.run_id.in_(gone)).values(settled_by=run.run_id))
        return _read(connection.execute(select(_runs).where(_runs.c.run_id == run.run_id)).one())


def _move(connection: Connection, run: Materialization, since: Materialization | None) -> bool:
    here = (_watermarks.c.view == run.view) & (_watermarks.c.store == run.store)
    if since is not None:
        change = update(_watermarks).where(here, _watermarks.c.run_id == since.run_id)
        return bool(connection.execute(change.values(run_id=run.run_id)).rowcount)
    try:
        with connection.begin_nested():
            made = {"view": run.view, "store": run.store, "run_id": run.run_id}
            connection.execute(insert(_watermarks).values(**made))
        return True
    except IntegrityError:  # another first run was faster
        return False


def _end(connection: Connection, run_id: str, figures: Figures, **more: str | None) -> None:
    values: dict[str, Any] = {**figures.model_dump(), "finished": datetime.now(UTC), **more}
    connection.execute(update(_runs).where(_runs.c.run_id == run_id).values(**_plain(values)))


def watermark(settings: Settings, view: str, store: str) -> Materialization | None:
    """The run up to whose snapshot the store holds the view, however it was declared then."""
    wanted = (
        select(_runs)
        .join(_watermarks, _watermarks.c.run_id == _runs.c.run_id)
        .where(_watermarks.c.view == view, _watermarks.c.store == store)
    )
    with database(settings).connect() as connection:
        row = connection.execute(wanted).one_or_none()
    return _read(row) if row else None


def held_in(settings: Settings) -> set[tuple[str, str]]:
    """View and store, of all that have a watermark."""
    with database(settings).connect() as connection:
        rows = connection.execute(select(_watermarks.c.view, _watermarks.c.store))
        return {(row.view, row.store) for row in rows}


def unsettled(settings: Settings, view: str, store: str) -> list[Materialization]:
    """Runs besides the watermark that may have left rows in the store which nobody has looked after since."""
    marks = select(_watermarks.c.run_id)
    wanted = select(_runs).where(
        _runs.c.view == view,
        _runs.c.store == store,
        _runs.c.settled_by.is_(None),
        _runs.c.run_id.not_in(marks),
    )
    with database(settings).connect() as connection:
        return [_read(row) for row in connection.execute(wanted.order_by(_runs.c.id)).all()]


def abandon_store(settings: Settings, view: str, address: str, now: str) -> None:
    """The store at `address` lost its data and is `now` another: what was written before does not count."""
    before = (_runs.c.view == view) & (_runs.c.store != now) & _runs.c.store.startswith(f"{address}#")
    with database(settings).begin() as connection:
        stores = [row.store for row in connection.execute(select(_runs.c.store).where(before).distinct())]
        connection.execute(
            _watermarks.delete().where(_watermarks.c.view == view, _watermarks.c.store.in_(stores))
        )
        connection.execute(
            update(_runs).where(before, _runs.c.settled_by.is_(None)).values(settled_by="lost data")
        )


def snapshots_needed(settings: Settings, view: str, table: str) -> set[int]:
    """The table's snapshots that a later run of the view may compare with."""
    wanted = select(_runs.c.to_snapshot).where(
        _runs.c.view == view, _runs.c.table_name == table, _runs.c.settled_by.is_(None)
    )
    with database(settings).connect() as connection:
        return {row.to_snapshot for row in connection.execute(wanted) if row.to_snapshot is not None}


def materializations(
    settings: Settings, *, view: str | None = None, asked_as: str | None = None, limit: int = 100
) -> list[Materialization]:
    """Newest first."""
    wanted = select(_runs).order_by(_runs.c.id.desc()).limit(limit)
    if view is not None:
        wanted = wanted.where(_runs.c.view == view)
    if asked_as is not None:
        wanted = wanted.where(_runs.c.asked_as == asked_as)
    with database(settings).connect() as connection:
        return [_read(row) for row in connection.execute(wanted).all()]


def last_materialized(settings: Settings) -> dict[str, datetime]:
    """View -> when its last successful run ended (UTC). That pushed rows reached the table is no such run:
    who waits for the next would never see that none comes."""
    wanted = (
        select(_runs.c.view, func.max(_runs.c.finished).label("at"))
        .where(_runs.c.finished.is_not(None), _runs.c.error.is_(None), _runs.c.kind != "push")
        .group_by(_runs.c.view)
    )
    with database(settings).connect() as connection:
        return {row.view: row.at.replace(tzinfo=UTC) for row in connection.execute(wanted)}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Times as the database keeps them."""
    return {
        name: value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _read(row: Row[Any]) -> Materialization:
    run = Materialization.model_validate(row)
    names = ("as_of", "window_start", "window_end", "started", "finished")
    times = {name: getattr(run, name) for name in names}
    utc = {name: at.replace(tzinfo=UTC) for name, at in times.items() if at is not None}
    gone = run.finished is None and (
        Doer(row.host, row.pid, row.process_started).is_gone()
        or utc["started"] < datetime.now(UTC) - _LONGEST
    )
    return run.model_copy(update=utc | {"interrupted": gone})
