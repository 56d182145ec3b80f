"""Rows that were pushed, and have reached the view's table: the ledger knows that the store has them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from asgard_pipelines.declarations import Declarations, FeatureView
from asgard_pipelines.features.materialization.one_run import tag_of
from asgard_pipelines.features.materialization.view_rows import ViewRows
from asgard_pipelines.features.online import online_store
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Figures, Materialization, begin_materialization, finish_materialization


def note_pushed(
    settings: Settings,
    lakehouse: Lakehouse,
    declarations: Declarations,
    view: FeatureView,
    pin: Pin,
    rows: int,
    newest: datetime,
) -> None:
    """Writes down that the store has what `pin` has of pushed rows: the next run takes away what was removed
    from the table since, which between two of its own snapshots it may never see.

    Args:
        newest: the event time of the newest row that is online, which may be ahead of our clock.
    """
    read = ViewRows.of(declarations, view, settings.thread_count)
    now = datetime.now(UTC)
    run = Materialization(
        run_id=str(uuid4()),
        view=view.name,
        store=online_store(settings, declarations.project).identity(view.name),
        fingerprint=read.fingerprint,
        table_name=pin.table,
        read_as=read.read_as,
        kind="push",
        from_snapshot=None,
        to_snapshot=pin.snapshot_id,
        as_of=max(now, newest),
        started=now,
    )
    begin_materialization(settings, run)
    lakehouse.tag(pin, tag_of(view.name, pin))
    finish_materialization(settings, run, Figures(written=rows))
