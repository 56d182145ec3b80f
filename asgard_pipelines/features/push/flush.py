"""Pushed rows into the lakehouse: many pushes as one file in one commit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pyarrow as pa

from asgard_pipelines.declarations import Declarations, FeatureView
from asgard_pipelines.features.materialization.pushed import note_pushed
from asgard_pipelines.features.offline_store.stored_types import narrowed
from asgard_pipelines.features.online import online_store
from asgard_pipelines.features.push.online_rows import LATE_SECONDS
from asgard_pipelines.features.push.rows import PushedRows
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import claim_rows, claimed_rows, forget_pushes, forget_rows, waiting_rows

_IDS_KEPT = timedelta(days=7)
"""So long a push id is known, after its rows have reached the lakehouse too."""


@dataclass(frozen=True)
class Flushed:
    """Rows that reached a view's table, and the snapshot that holds them."""

    feature_view: str
    table: str
    rows: int
    pin: Pin


def flush_pushes(settings: Settings, lakehouse: Lakehouse, declarations: Declarations) -> Iterator[Flushed]:
    """Appends what was pushed to the tables of its views, and forgets it in the write-ahead table.

    Each commit carries the flush's id: one that died after its commit is ended by the next without landing
    a row twice. Rows of views that are not declared (any more) stay where they are.

    Raises:
        TableNotFound, TypeMismatch, Conflict: the view's table is not there, or is of another shape.
    """
    views = {view.name: view for view in declarations.views}
    types = {entity.join_key: entity.dtype for entity in declarations.entities}
    for waiting in waiting_rows(settings):
        view = views.get(waiting.feature_view)
        while view is not None and (flush_id := claim_rows(settings, view.name, f"flush_{uuid4().hex}")):
            claimed, logged = time.monotonic(), claimed_rows(settings, flush_id)
            rows = PushedRows.joined([PushedRows.read(one.payload) for one in logged])
            table = rows.table(view, {key: types[key] for key in view.join_keys})
            commit = lakehouse.append(view.table, _stored(lakehouse, view, table), key=flush_id)
            if view.online:
                # Once they are forgotten below, no recovery can put them online again.
                time.sleep(max(0.0, claimed + LATE_SECONDS - time.monotonic()))
                online_store(settings, declarations.project).settle()
                note_pushed(settings, lakehouse, declarations, view, commit.pin, len(rows))
            forget_rows(settings, flush_id)
            yield Flushed(view.name, view.table, len(rows), commit.pin)
    forget_pushes(settings, older_than=_IDS_KEPT)


def _stored(lakehouse: Lakehouse, view: FeatureView, rows: pa.Table) -> pa.Table:
    """Under the table's own names, in its types."""
    columns = {column: rows[key] for key, column in view.join_keys.items()}
    columns |= {feature.column: rows[feature.name] for feature in view.features}
    columns |= {name: rows[name] for name in (view.timestamp, view.created_timestamp) if name}
    schema = lakehouse.schema(lakehouse.pin(view.table))
    return narrowed(pa.table(columns).select(schema.names), schema)
