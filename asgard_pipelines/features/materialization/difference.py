"""From one snapshot to another: what the files that differ say about each key, and the store's own times.

A key's newest added row is written guarded. That is all, unless

- a row elsewhere may have the same times: then values decide, and the store's row may be that one; or
- the row that the store has was removed, and no newer one came: then the newest one that is left takes its
  place, or it is deleted, if the store still has it by then.

Only for keys of which that may be so is the store asked for its times, and only for those of which it is so
are other files read, pruned by key, and by time where that is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from asgard_pipelines.features.kinds import Bools, Ints
from asgard_pipelines.features.materialization.view_rows import ViewRows, found
from asgard_pipelines.features.materialization.whole import Former
from asgard_pipelines.features.materialization.work import Work
from asgard_pipelines.lakehouse import FileDifference, Source, TimeRange

_WAS, _HAD = "was {}:", "had:"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass
class _Left:
    """What the files that differ do not settle."""

    ties: list[pa.Table] = field(default_factory=list)
    """Keys of which the store has a row with the times of one that was added; others may have them too."""
    first: int = np.iinfo(np.int64).max
    last: int = np.iinfo(np.int64).min
    """The event times of those rows."""
    lost: list[pa.Table] = field(default_factory=list)
    """Keys whose stored row was removed, with its times."""


def write_difference(work: Work, since: Former, others: Sequence[Former]) -> None:
    """Brings the store from `since` to the work's snapshot and instant.

    Args:
        others: what else may have got into the store: what was removed from them is removed as well.
    """
    difference = work.lakehouse.difference(since.pin, work.pin)
    removed, added = _changed(work, difference, since, others)
    sources = [source for source in (added, *(source for source, _ in removed)) if source is not None]
    if not sources:
        return
    asked = work.ordered(work.rows.keys_of(*sources))
    total, names = len(asked), []
    for number, (source, as_of) in enumerate(removed):
        names.append(_WAS.format(number))
        asked = work.rows.with_times(asked, source, as_of, names[-1])
    came = difference.beside(added) if added else None
    newest = work.rows.with_newest(asked, came, work.as_of) if came else work.rows.with_none(asked)
    spans = difference.kept_spans(work.rows.view.timestamp)
    left = _Left()
    for batch in newest:
        _settle(work, batch, names, spans, left)
        work.step(len(batch), total)
    _write_ties(work, difference, left)
    _put_back(work, difference, left)


def _changed(
    work: Work, difference: FileDifference, since: Former, others: Sequence[Former]
) -> tuple[list[tuple[Source, datetime]], Source | None]:
    """Rows that were removed, each source with the instant as of which its rows counted; and those added."""
    threads = work.rows.threads
    due = _fallen_due(work.rows, since.as_of, work.as_of)
    gone, added = difference.removed_and_added(work.tally, threads, due)
    removed = [(gone, since.as_of)] if gone else []
    for other in others:
        gone, _ = work.lakehouse.difference(other.pin, work.pin).removed_and_added(work.tally, threads)
        removed += [(other.looked_at(gone), other.as_of)] if gone else []
    return removed, added


def _fallen_due(rows: ViewRows, since: datetime, until: datetime) -> list[TimeRange]:
    """What rows meet that count as of `until` and did not as of `since`; nothing if there can be none."""
    if until <= since:
        return []
    view = rows.view
    columns = [view.timestamp, *([view.created_timestamp] if view.created_timestamp else [])]
    return [TimeRange(one, since + _MICROSECOND, until + _MICROSECOND) for one in columns]


def _settle(work: Work, batch: pa.Table, names: Sequence[str], spans: tuple[Ints, Ints], left: _Left) -> None:
    rows = work.rows
    event, created, is_there = rows.times(batch)
    may_tie = is_there & _within(event, spans)
    removed = [rows.times(batch, name) for name in names]
    ask = may_tie.copy()
    for was_event, was_created, was in removed:
        older = (event < was_event) | ((event == was_event) & (created < was_created))
        ask |= was & (~is_there | older)
    work.put(rows.stored(batch.filter(pa.array(is_there & ~ask))))
    if not ask.any():
        return
    batch, places = batch.filter(pa.array(ask)), np.flatnonzero(ask)
    event, created = event[places], created[places]
    is_there, may_tie = is_there[places], may_tie[places]
    stored = work.store.times(rows.view, rows.stored_keys(batch))
    had_event, had_created, has = rows.times_stored(stored)
    equal = is_there & has & (event == had_event) & (created == had_created)
    newer = is_there & (~has | (event > had_event) | ((event == had_event) & (created > had_created)))
    hit = np.zeros(len(batch), dtype=bool)
    for was_event, was_created, was in removed:
        hit |= was[places] & has & (was_event[places] == had_event) & (was_created[places] == had_created)
    work.put(rows.stored(batch.filter(pa.array(newer | (equal & ~may_tie)))))
    lost = hit & ~newer & ~equal
    work.skip(int((is_there & ~newer & ~equal & ~lost).sum()))
    _note(left, rows, batch, equal & may_tie, event, lost, stored)


def _note(
    left: _Left, rows: ViewRows, batch: pa.Table, tied: Bools, event: Ints, lost: Bools, stored: pa.Table
) -> None:
    keys = batch.select(rows.key_columns)
    if tied.any():
        left.ties.append(keys.filter(pa.array(tied)))
        left.first = min(left.first, int(event[tied].min()))
        left.last = max(left.last, int(event[tied].max()))
    if lost.any():
        had = keys.append_column(f"{_HAD}event", stored["event"])
        had = had.append_column(f"{_HAD}created", stored["created"])
        left.lost.append(had.filter(pa.array(lost)))


def _write_ties(work: Work, difference: FileDifference, left: _Left) -> None:
    if not left.ties:
        return
    first, last = (_EPOCH + edge * _MICROSECOND for edge in (left.first, left.last))
    where = [TimeRange(work.rows.view.timestamp, first, last + _MICROSECOND)]
    source = difference.source(work.tally, where)
    for batch in work.rows.with_newest(pa.concat_tables(left.ties), source, work.as_of):
        work.put(work.rows.stored(found(batch)))


def _put_back(work: Work, difference: FileDifference, left: _Left) -> None:
    if not left.lost:
        return
    source = difference.source(work.tally)
    for batch in work.rows.with_newest(pa.concat_tables(left.lost), source, work.as_of):
        work.swap(work.rows.stored_keys(batch, _HAD), work.rows.stored(found(batch)))


def _within(event: Ints, spans: tuple[Ints, Ints]) -> Bools:
    first, last = spans
    place = np.searchsorted(first, event, side="right") - 1
    inside: Bools = (place >= 0) & (event <= last[np.maximum(place, 0)]) if len(first) else place >= 0
    return inside
