"""Pushed rows into the lakehouse: many pushes as one file in one commit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.declarations import Declarations, FeatureView
from asgard_pipelines.errors import AsgardError, Invalid
from asgard_pipelines.features.materialization.pushed import note_pushed
from asgard_pipelines.features.online import online_store
from asgard_pipelines.features.online.store import OnlineStore
from asgard_pipelines.features.push.fitted import fitted
from asgard_pipelines.features.push.online_rows import LATE_SECONDS, to_be_served
from asgard_pipelines.features.push.rows import PushedRows
from asgard_pipelines.features.push.stored_rows import as_stored
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import (
    Decision,
    LoggedRows,
    claim_rows,
    claimed_rows,
    forget_pushes,
    forget_rows,
    hold_rows,
    record_decision,
    release_rows,
    waiting_rows,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_IDS_KEPT = timedelta(days=7)
"""So long a push id is known, after its rows have reached the lakehouse too."""


@dataclass(frozen=True)
class Flushed:
    """Rows that reached a view's table, and the snapshot that holds them."""

    feature_view: str
    table: str
    rows: int
    pin: Pin


@dataclass(frozen=True)
class HeldBack:
    """Rows that the view's table cannot take as things stand, and why. They wait, and every flush tries them
    again; other rows of the view do not wait for them."""

    feature_view: str
    rows: int
    reason: str


def flush_pushes(
    settings: Settings, lakehouse: Lakehouse, declarations: Declarations
) -> Iterator[Flushed | HeldBack]:
    """Appends what was pushed to the tables of its views, and forgets it in the write-ahead table.

    Each commit carries the flush's id: one that died after its commit is ended by the next without landing
    a row twice. Rows of views that are not declared (any more) stay where they are. Rows that were pushed
    while their view was declared otherwise land as it is declared now (`fitted.py`).

    Raises:
        TableNotFound, TypeMismatch, Conflict, BackendUnavailable: a view's table is not there, or is of
            another shape, or something does not answer; once all other views' rows are in their tables.
    """
    views = {view.name: view for view in declarations.views}
    failed: AsgardError | None = None
    for waiting in waiting_rows(settings):
        if (view := views.get(waiting.feature_view)) is not None:
            try:
                yield from _View(settings, lakehouse, declarations, view).flush()
            except AsgardError as error:
                failed = failed or error
    forget_pushes(settings, older_than=_IDS_KEPT)
    if failed is not None:
        raise failed


class _View:
    """The pushed rows of one view."""

    def __init__(
        self, settings: Settings, lakehouse: Lakehouse, declarations: Declarations, view: FeatureView
    ) -> None:
        self._settings, self._lakehouse, self._declarations = settings, lakehouse, declarations
        self._view = view
        types = {entity.join_key: entity.dtype for entity in declarations.entities}
        self._key_types = {key: types[key] for key in view.join_keys}

    def flush(self) -> Iterator[Flushed | HeldBack]:
        name = self._view.name
        release_rows(self._settings, name)
        held, reason = 0, ""
        while flush_id := claim_rows(self._settings, name, f"flush_{uuid4().hex}"):
            claimed, logged = time.monotonic(), claimed_rows(self._settings, flush_id)
            pin = self._lakehouse.find(self._view.table, flush_id)  # it may have died before it forgot them
            if pin is None:
                tables, misfits = self._stored(logged)
                hold_rows(self._settings, flush_id, misfits.keys())
                held += sum(one.rows for one in logged if one.id in misfits)
                reason = next(iter(misfits.values()), reason)
                logged = [one for one in logged if one.id not in misfits]
                if not tables:
                    continue
                rows = pa.concat_tables(tables, promote_options="permissive")
                pin = self._lakehouse.append(self._view.table, rows, key=flush_id).pin
            self._settle(claimed, pin, logged)
            forget_rows(self._settings, flush_id)
            yield Flushed(name, self._view.table, sum(one.rows for one in logged), pin)
        if held:
            told = f"{held:,} pushed rows wait: {reason}"
            record_decision(self._settings, Decision(subject=f"features/{name}", verdict="wait", reason=told))
            yield HeldBack(name, held, reason)

    def _stored(self, logged: Sequence[LoggedRows]) -> tuple[list[pa.Table], dict[int, str]]:
        """As the table takes them; and of those that it does not take, by their numbers, why."""
        schema = self._lakehouse.schema(self._lakehouse.pin(self._view.table))
        tables: list[pa.Table] = []
        misfits: dict[int, str] = {}
        for parts in _by_shape(logged):
            try:
                whole = PushedRows.joined(list(parts.values()))
                tables.append(as_stored(whole, self._view, self._key_types, schema))
            except Invalid:
                for number, part in parts.items():
                    try:
                        tables.append(as_stored(part, self._view, self._key_types, schema))
                    except Invalid as error:
                        misfits[number] = error.message
        return tables, misfits

    def _settle(self, claimed: float, pin: Pin, logged: Sequence[LoggedRows]) -> None:
        """Once rows are forgotten, no recovery can put them online again: they are there, and on disk."""
        if not self._view.online:
            return
        time.sleep(max(0.0, claimed + LATE_SECONDS - time.monotonic()))
        store = online_store(self._settings, self._declarations.project)
        newest = 0
        for parts in _by_shape(logged):
            try:
                rows = fitted(PushedRows.joined(list(parts.values())), self._view, self._key_types)
            except Invalid:  # they landed before the view was changed: a materialization brings what it can
                continue
            served = to_be_served(self._view, rows)
            newest = max([newest, *served.event])
            put_lacking(store, self._view, self._key_types, served)
        store.settle()
        rows_of_all = sum(one.rows for one in logged)
        latest = _EPOCH + timedelta(microseconds=newest)
        note_pushed(self._settings, self._lakehouse, self._declarations, self._view, pin, rows_of_all, latest)


def put_lacking(
    store: OnlineStore, view: FeatureView, key_types: Mapping[str, str], served: PushedRows
) -> None:
    """Puts online what never got there: the store did not answer, and who pushed it has died since."""
    newest = served.table(view, key_types)
    stored = store.times(view, newest)
    event = newest[view.timestamp]
    lacks = pc.or_kleene(pc.is_null(stored["event"]), pc.greater(event, stored["event"]))
    if view.created_timestamp:
        later = pc.greater(newest[view.created_timestamp], stored["created"])
        lacks = pc.or_kleene(lacks, pc.and_kleene(pc.equal(event, stored["event"]), later))
    if (lacking := newest.filter(pc.fill_null(lacks, False))).num_rows:
        store.write(view, lacking)


def _by_shape(logged: Sequence[LoggedRows]) -> Iterator[dict[int, PushedRows]]:
    """By their numbers; those together that have the same columns."""
    shapes: dict[tuple[object, ...], dict[int, PushedRows]] = {}
    for one in logged:
        rows = PushedRows.read(one.payload)
        shape = (*rows.columns, *rows.stored_as.items())
        shapes.setdefault(shape, {})[one.id] = rows
    yield from shapes.values()
