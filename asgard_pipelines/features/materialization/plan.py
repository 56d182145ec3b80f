"""What a materialization would take: from the table's metadata and the ledger, before anything is read."""

from __future__ import annotations

from datetime import datetime, timedelta

from asgard_pipelines.declarations import Declarations, FeatureView, Record
from asgard_pipelines.features.materialization.course import Course, Window, chosen_course
from asgard_pipelines.features.materialization.view_rows import ViewRows
from asgard_pipelines.features.online import online_store
from asgard_pipelines.lakehouse import FileFigures, Lakehouse, Pin, TimeRange
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import MaterializationKind, materializations

_MICROSECOND = timedelta(microseconds=1)
_ROWS_PER_SECOND = 50_000.0
"""Taken until the ledger knows how fast this house is."""
_SLOWEST_START = 1.0


class MaterializationPlan(Record):
    """`rows`, `files` and `bytes` are those of the data files that would be read, `bytes` of the columns
    that are needed. `keys_at_most`: no more keys can be concerned. `seconds` is what the ledger's earlier
    runs let expect. Times are UTC."""

    view: str
    table: str
    kind: MaterializationKind
    from_snapshot: int | None
    to_snapshot: int | None
    window_start: datetime | None = None
    window_end: datetime | None = None
    files: int
    rows: int
    bytes: int
    keys_at_most: int
    seconds: float
    reason: str


def plan_materialization(
    settings: Settings,
    lakehouse: Lakehouse,
    declarations: Declarations,
    view: FeatureView,
    *,
    pin: Pin | None = None,
    window: Window | None = None,
) -> MaterializationPlan:
    """What `materialize` would do now; nothing is changed.

    Raises:
        TableNotFound, SnapshotNotFound, ColumnNotFound, TypeMismatch
        BackendUnavailable: the store does not answer.
    """
    store = online_store(settings, declarations.project)
    rows = ViewRows.of(declarations, view, settings.thread_count)
    course = chosen_course(settings, lakehouse, store, rows, pin or lakehouse.pin(view.table), window)
    figures = _figures(lakehouse, rows, course, window)
    return MaterializationPlan(
        view=view.name,
        table=course.pin.table,
        kind=course.kind,
        from_snapshot=course.mark.to_snapshot if course.mark else None,
        to_snapshot=course.pin.snapshot_id,
        window_start=window[0] if window else None,
        window_end=window[1] if window else None,
        files=figures.files,
        rows=figures.rows,
        bytes=figures.bytes,
        keys_at_most=min(figures.rows, figures.keys_at_most if view.join_keys else 1),
        seconds=_expected_seconds(settings, view.name, figures.rows),
        reason=_reason(course, figures),
    )


def _figures(lakehouse: Lakehouse, rows: ViewRows, course: Course, window: Window | None) -> FileFigures:
    keys = list(rows.view.join_keys.values())
    if window is not None:
        span = TimeRange(rows.view.timestamp, window[0], window[1] + _MICROSECOND)
        return lakehouse.figures(course.pin, rows.columns, keys, [span])
    if course.since is not None:
        return lakehouse.difference(course.since.pin, course.pin).figures(rows.columns, keys)
    return lakehouse.figures(course.pin, rows.columns, keys)


def _expected_seconds(settings: Settings, view: str, rows: int) -> float:
    done = [run for run in materializations(settings, view=view, limit=20) if run.status == "completed"]
    took, read = sum(run.seconds or 0.0 for run in done), sum(run.rows_read for run in done)
    rate = read / took if read and took else _ROWS_PER_SECOND
    return round(_SLOWEST_START + rows / rate, 1)


def _reason(course: Course, figures: FileFigures) -> str:
    if course.kind == "window":
        return "Asked for by dates: only what the store has nothing newer than is written."
    if course.remark:
        return course.remark
    if not figures.files:
        return "No data file has changed."
    return f"Data files that came or went since snapshot {course.mark.to_snapshot if course.mark else None}."
