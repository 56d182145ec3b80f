"""One run for one view: what it is to do, doing it, and the ledger of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

from asgard_pipelines.declarations import Declarations, FeatureView
from asgard_pipelines.errors import AsgardError, NoDataFound
from asgard_pipelines.features.materialization.course import Course, Window, chosen_course
from asgard_pipelines.features.materialization.difference import write_difference
from asgard_pipelines.features.materialization.unaccounted import Unaccounted
from asgard_pipelines.features.materialization.view_rows import ViewRows
from asgard_pipelines.features.materialization.whole import write_whole
from asgard_pipelines.features.materialization.window import write_window
from asgard_pipelines.features.materialization.work import OnKeys, Work
from asgard_pipelines.features.online import online_store
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import (
    Materialization,
    abandon_store,
    begin_materialization,
    fail_materialization,
    finish_materialization,
    snapshots_needed,
)

_OTHER_KEYS = "The view has other keys than before."


@dataclass(frozen=True)
class Asked:
    """By whom a run was asked for: the id it goes by over REST, and the graph's run that does it."""

    as_id: str | None = None
    dagster_run: str | None = None


def materialize(
    settings: Settings,
    lakehouse: Lakehouse,
    declarations: Declarations,
    view: FeatureView,
    pin: Pin,
    *,
    window: Window | None = None,
    asked: Asked | None = None,
    as_of: datetime | None = None,
    require_rows: bool = False,
    progress: OnKeys | None = None,
) -> Materialization:
    """Brings the online store to what the view's table holds at `pin`, from where it was brought before.

    What the store holds afterwards is, of each key, the row that the offline join gives as of `as_of`. One
    that was pushed since, and is newer, stays. Rows older than the view's TTL are written too: how old a
    value may be is decided when it is read. Any number of runs may go on at once, and any of them may be
    killed: the next one puts right what they left.

    Args:
        window: only the rows of these event times, where the store has nothing newer; nothing is removed, and
            the watermark stays.
        as_of: now, when None; never before the last run's.
        require_rows: an empty table is an error.

    Returns:
        The run, as the ledger has it.

    Raises:
        NoDataFound
        TableNotFound, SnapshotNotFound, ColumnNotFound, TypeMismatch
        BackendUnavailable: the store does not answer.
    """
    asked = asked or Asked()
    store = online_store(settings, declarations.project)
    rows = ViewRows.of(declarations, view, settings.thread_count)
    course = chosen_course(settings, lakehouse, store, rows, pin, window)
    if course.drops:
        store.drop(view)
        course = replace(chosen_course(settings, lakehouse, store, rows, pin, window), remark=_OTHER_KEYS)
    abandon_store(settings, view.name, store.address, course.store)
    run = _begun(settings, rows, course, asked, as_of, window)
    work = Work(lakehouse, store, rows, course.pin, run.as_of, progress)
    try:
        if course.pin.snapshot_id is not None:
            lakehouse.tag(course.pin, tag_of(view.name, course.pin))
        _do(settings, work, run, course)
        if require_rows:
            _need_rows(work, run)
    except BaseException as error:
        told = error.message if isinstance(error, AsgardError) else type(error).__name__
        fail_materialization(settings, run.run_id, told, work.figures)
        raise
    ended = [one.run_id for one in course.unsettled if _is_settled(one, run)]
    done = finish_materialization(settings, run, work.figures, moves_from=course.mark, settles=ended)
    _release(settings, lakehouse, view.name, {pin.table, *(one.table_name for one in course.unsettled)})
    return done


def _is_settled(one: Materialization, run: Materialization) -> bool:
    """Pushed rows that are dated ahead are not yet among those that the run looked at."""
    return one.status != "running" and (one.kind != "push" or one.as_of <= run.as_of)


def _begun(
    settings: Settings,
    rows: ViewRows,
    course: Course,
    asked: Asked,
    as_of: datetime | None,
    window: Window | None,
) -> Materialization:
    instant = _aware(as_of or datetime.now(UTC))
    run = Materialization(
        run_id=str(uuid4()),
        asked_as=asked.as_id,
        dagster_run=asked.dagster_run,
        view=rows.view.name,
        store=course.store,
        fingerprint=rows.fingerprint,
        table_name=course.pin.table,
        read_as=rows.read_as,
        kind=course.kind,
        from_snapshot=course.mark.to_snapshot if course.mark else None,
        to_snapshot=course.pin.snapshot_id,
        as_of=max(instant, course.mark.as_of) if course.mark else instant,
        window_start=_aware(window[0]) if window else None,
        window_end=_aware(window[1]) if window else None,
        remark=course.remark,
        started=datetime.now(UTC),
    )
    begin_materialization(settings, run)
    return run


def _do(settings: Settings, work: Work, run: Materialization, course: Course) -> None:
    if run.window_start and run.window_end:
        write_window(work, run.window_start, run.window_end)
    elif course.since is not None:
        write_difference(work, course.since, course.others)
    else:
        write_whole(work, course.others, Unaccounted(settings, work) if course.unaccounted else None)


def _need_rows(work: Work, run: Materialization) -> None:
    """Raises NoDataFound."""
    written = work.figures.written + work.figures.skipped
    if (run.kind == "window" and not written) or not work.lakehouse.figures(work.pin, []).rows:
        raise NoDataFound(run.view, run.table_name)


def tag_of(view: str, pin: Pin) -> str:
    """By which a snapshot is kept that a later run will compare with."""
    return f"{_prefix(view)}{pin.snapshot_id}"


def _prefix(view: str) -> str:
    return f"asgard.online.{view}."


def _release(settings: Settings, lakehouse: Lakehouse, view: str, tables: Iterable[str]) -> None:
    """Snapshots that no later run compares with may expire."""
    for table in tables:
        needed = snapshots_needed(settings, view, table)
        if lakehouse.exists(table):
            tags = lakehouse.tags(table).items()
            done = [name for name, at in tags if name.startswith(_prefix(view)) and at not in needed]
            if done:
                lakehouse.untag(table, done)


def _aware(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
