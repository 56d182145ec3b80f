"""The whole state of a view at a snapshot, whatever the store held before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from asgard_pipelines.features.materialization.unaccounted import Unaccounted
from asgard_pipelines.features.materialization.view_rows import ViewRows, found
from asgard_pipelines.features.materialization.work import Work
from asgard_pipelines.lakehouse import Pin, Source, TimeRange, within

_WAS = "was {}:"


@dataclass(frozen=True)
class Former:
    """What got into the store before, as the view was declared then."""

    rows: ViewRows
    pin: Pin
    as_of: datetime
    span: TimeRange | None = None
    """Of a run by dates: the rows that it looked at."""

    def looked_at(self, source: Source) -> Source:
        """Of rows that the run could see, those that it looked at."""
        return source if self.span is None else within(source, self.span)


def write_whole(work: Work, formers: Sequence[Former], unaccounted: Unaccounted | None = None) -> None:
    """Writes every key's newest row; of a key that the table has no more, the row that it had is deleted.

    Where the store still holds what got into it formerly, it holds the new row afterwards even if that is
    older (times may have come from another column then).

    Args:
        unaccounted: where nobody can tell any more what got into it.
    """
    source = work.lakehouse.source(work.pin, tally=work.tally)
    asked = work.rows.keys_of(source)
    names = [_WAS.format(number) for number in range(len(formers))]
    for name, former in zip(names, formers, strict=True):
        asked = _with_former(work, asked, former, name)
    asked = work.ordered(asked)
    for batch in work.rows.with_newest(asked, source, work.as_of):
        for name, former in zip(names, formers, strict=True):
            gone = batch.filter(batch[f"{name}event"].is_valid())
            removed = former.rows.stored_keys(gone, name)
            work.give_way(_renamed(removed, former.rows, work.rows), gone)
        if unaccounted:
            unaccounted.give_way(batch)
        work.put(work.rows.stored(found(batch)))
        work.step(len(batch), len(asked))
    if unaccounted:
        unaccounted.sweep()


def _with_former(work: Work, asked: pa.Table, former: Former, name: str) -> pa.Table:
    """All keys of then too, with the times of then."""
    source = former.looked_at(work.lakehouse.source(former.pin, tally=work.tally))
    keys = asked.select(work.rows.key_columns)
    then = former.rows.keys_of(source).cast(keys.schema)
    more = then.join(keys, keys.column_names, join_type="left anti")
    return former.rows.with_times(
        pa.concat_tables([asked, more], promote_options="default"), source, former.as_of, name
    )


def _renamed(removed: pa.Table, then: ViewRows, now: ViewRows) -> pa.Table:
    """Times of then under their names of now."""
    old, new = then.view, now.view
    times = {old.timestamp, old.created_timestamp}
    columns = {name: removed[name] for name in removed.column_names if name not in times}
    columns[new.timestamp] = removed[old.timestamp]
    if new.created_timestamp:
        none = pa.nulls(len(removed), pa.timestamp("us"))
        columns[new.created_timestamp] = removed[old.created_timestamp] if old.created_timestamp else none
    return pa.table(columns)
