"""What a run for a view is to do: decided from the ledger and the table's history alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from asgard_pipelines.errors import SnapshotNotFound, TableNotFound
from asgard_pipelines.features.materialization.view_rows import ViewRows
from asgard_pipelines.features.materialization.whole import Former
from asgard_pipelines.features.online.store import OnlineStore
from asgard_pipelines.lakehouse import Lakehouse, Pin, TimeRange
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import (
    Materialization,
    MaterializationKind,
    materializations,
    unsettled,
    watermark,
)

_MICROSECOND = timedelta(microseconds=1)
Window = tuple[datetime, datetime]
"""Event times, both included; a naive one is UTC."""


@dataclass(frozen=True)
class Course:
    """What is to be done, to the state at `pin`."""

    kind: MaterializationKind
    pin: Pin
    store: str
    """The store's identity."""
    mark: Materialization | None = None
    """The watermark, from which it moves."""
    unsettled: Sequence[Materialization] = ()
    since: Former | None = None
    """A difference starts there."""
    others: Sequence[Former] = field(default_factory=list)
    """What else may have got into the store."""
    remark: str | None = None
    """Why the whole state is written."""
    drops: bool = False
    """What is stored goes first: nobody would find it by the view's present keys."""
    unaccounted: bool = False
    """A snapshot is gone from which the store was written: what `pin` does not give goes."""


def chosen_course(
    settings: Settings,
    lakehouse: Lakehouse,
    store: OnlineStore,
    rows: ViewRows,
    pin: Pin,
    window: Window | None = None,
) -> Course:
    """
    Raises:
        TableNotFound, SnapshotNotFound: of `pin`.
    """
    view = rows.view
    identity = store.identity(view.name)
    mark, left = watermark(settings, view.name, identity), unsettled(settings, view.name, identity)
    pin = _with_what_was_flushed(lakehouse, pin, left)
    past = [*([mark] if mark else []), *left]
    if any(run.read_as["key_types"] != rows.read_as["key_types"] for run in past):
        return Course("whole", pin, identity, mark, left, drops=True)
    if window is not None:
        return Course("window", pin, identity)
    others, gone = _formers(lakehouse, rows, pin, left)
    if mark is None:
        address = f"{store.address}#"
        earlier = materializations(settings, view=view.name)
        lost = any(run.store.startswith(address) and run.store != identity for run in earlier)
        told = "The store lost what was written before." if lost else "Nothing was written before."
        return Course("whole", pin, identity, None, left, None, others, told, unaccounted=gone is not None)
    former = Pin(mark.table_name, mark.to_snapshot)
    if gone := former if not _stands(lakehouse, former) else gone:
        told = f"{gone}, from which the store was written, is gone."
        return Course("whole", pin, identity, mark, left, None, others, told, unaccounted=True)
    since = Former(ViewRows.recalled(view.name, mark.read_as, rows.threads), former, mark.as_of)
    if otherwise := _why_whole(lakehouse, rows, pin, mark, left):
        return Course("whole", pin, identity, mark, left, None, [since, *others], otherwise)
    if _is_overtaken(lakehouse, pin, former):
        told = f"The store was brought to a later snapshot than {pin.snapshot_id} meanwhile."
        return Course("difference", former, identity, mark, left, since, others, told)
    return Course("difference", pin, identity, mark, left, since, others)


def _with_what_was_flushed(lakehouse: Lakehouse, pin: Pin, left: Sequence[Materialization]) -> Pin:
    """The present snapshot, if pushed rows landed since the pinned one: they are online, and would be taken
    for removed."""
    last = next((run for run in reversed(left) if run.kind == "push"), None)
    if last is None or not _is_overtaken(lakehouse, pin, Pin(last.table_name, last.to_snapshot)):
        return pin
    return lakehouse.pin(pin.table)


def _why_whole(
    lakehouse: Lakehouse, rows: ViewRows, pin: Pin, mark: Materialization, left: Sequence[Materialization]
) -> str | None:
    if any(run.fingerprint != rows.fingerprint for run in (mark, *left)):
        return "The view is declared otherwise than before."
    former = Pin(mark.table_name, mark.to_snapshot)
    if not lakehouse.same_columns(former, pin, rows.columns):
        return "A column ended and began anew."
    return None


def _formers(
    lakehouse: Lakehouse, rows: ViewRows, pin: Pin, runs: Sequence[Materialization]
) -> tuple[list[Former], Pin | None]:
    """From where other runs may have written, each once; and one of those that cannot be looked up any more,
    if there are such."""
    found: dict[tuple[object, ...], Former] = {}
    gone: Pin | None = None
    for run in _telling(lakehouse, runs):
        at, span = Pin(run.table_name, run.to_snapshot), _span(run)
        nothing_went = run.fingerprint == rows.fingerprint and at == pin
        if run.to_snapshot is None or nothing_went:
            continue
        if not _stands(lakehouse, at):
            gone = at
            continue
        then = ViewRows.recalled(run.view, run.read_as, rows.threads)
        found[at, run.fingerprint, run.as_of, span] = Former(then, at, run.as_of, span)
    return list(found.values()), gone


def _telling(lakehouse: Lakehouse, runs: Sequence[Materialization]) -> list[Materialization]:
    """Without pushes whose rows a later one's snapshot has too: there may be one a minute."""
    told: list[Materialization] = []
    last: Materialization | None = None
    for run in reversed(runs):
        if run.kind != "push" or run.to_snapshot is None:
            told.append(run)
            continue
        if last is not None and _has_all_of(lakehouse, last, run):
            continue
        told.append(run)
        last = run
    return told


def _has_all_of(lakehouse: Lakehouse, later: Materialization, run: Materialization) -> bool:
    if run.to_snapshot is None or (run.table_name, run.fingerprint) != (later.table_name, later.fingerprint):
        return False
    if run.as_of > later.as_of:  # it has a row that is dated ahead
        return False
    at = Pin(later.table_name, later.to_snapshot)
    return _stands(lakehouse, at) and lakehouse.descends(at, run.to_snapshot, by_appends=True)


def _span(run: Materialization) -> TimeRange | None:
    if run.window_start is None or run.window_end is None:
        return None
    return TimeRange(str(run.read_as["timestamp"]), run.window_start, run.window_end + _MICROSECOND)


def _stands(lakehouse: Lakehouse, pin: Pin) -> bool:
    try:
        lakehouse.schema(pin)
    except (SnapshotNotFound, TableNotFound):
        return False
    return True


def _is_overtaken(lakehouse: Lakehouse, pin: Pin, former: Pin) -> bool:
    """Whether the store was brought to a snapshot that was made from the pinned one and still stands."""
    if pin == former or pin.snapshot_id is None or former.snapshot_id is None:
        return False
    if not lakehouse.descends(former, pin.snapshot_id):
        return False
    return lakehouse.descends(lakehouse.pin(pin.table), former.snapshot_id)
