"""The rows of a span of event time, newest of each key first: a backfill by dates."""

from __future__ import annotations

from datetime import datetime, timedelta

from asgard_pipelines.features.materialization.view_rows import found
from asgard_pipelines.features.materialization.work import Work
from asgard_pipelines.lakehouse import TimeRange, within

_MICROSECOND = timedelta(microseconds=1)


def write_window(work: Work, start: datetime, end: datetime) -> None:
    """Writes each key's newest row of [start, end], where the store has nothing newer."""
    end = min(end, work.as_of)
    if start > end:
        return
    span = TimeRange(work.rows.view.timestamp, start, end + _MICROSECOND)
    source = within(work.lakehouse.source(work.pin, tally=work.tally), span)
    asked = work.ordered(work.rows.keys_of(source))
    for batch in work.rows.with_newest(asked, source, work.as_of):
        work.put(work.rows.stored(found(batch)))
        work.step(len(batch), len(asked))
