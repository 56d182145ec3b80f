"""The online store: what is newest now, written through Feast."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
from feast.errors import FeatureViewNotFoundException

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.errors import FeatureViewNotFound
from asgard_pipelines.features.kinds import cast
from asgard_pipelines.features.point_in_time.engine import Lookup
from asgard_pipelines.features.point_in_time.streamed_join import StreamedJoin
from asgard_pipelines.features.registry import store
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.settings import Settings

_AS_OF, _VIEW, _TIME = "as of:", "feature:", "time:"
"""Names that no column of a table has, so that no two in a join are the same."""
_DISTINCT_AT_ONCE = 1_000_000


def materialize_online(
    settings: Settings, lakehouse: Lakehouse, view: FeatureView, pin: Pin, as_of: datetime
) -> int:
    """Writes, for each key of the view, its newest row as of `as_of` (a naive time is UTC).

    Rows older than the view's TTL are written too: how old a value may be is decided when it is read.
    Each call writes the whole state at the pin, whatever was written before.

    Returns:
        The number of rows written.

    Raises:
        FeatureViewNotFound: Feast's registry does not know the view: it was not applied.
        TableNotFound, SnapshotNotFound, ColumnNotFound, TypeMismatch
    """
    opened = store(settings)
    try:
        opened.get_feature_view(view.name)
    except FeatureViewNotFoundException:
        raise FeatureViewNotFound(view.name, [v.name for v in opened.list_feature_views()]) from None
    rows = current_rows(settings, lakehouse, view, pin, as_of)
    if len(rows):
        opened.write_to_online_store(view.name, rows.to_pandas(integer_object_nulls=True))
    return len(rows)


def current_rows(
    settings: Settings, lakehouse: Lakehouse, view: FeatureView, pin: Pin, as_of: datetime
) -> pa.Table:
    """One row per key, the newest known as of `as_of`: join keys, features, event time, created time."""
    instant = as_of.replace(tzinfo=UTC) if as_of.tzinfo is None else as_of.astimezone(UTC)
    keys = _distinct_keys(lakehouse, view, pin)
    asked = keys.append_column(_AS_OF, pa.repeat(pa.scalar(instant, pa.timestamp("us", "UTC")), len(keys)))
    times = [view.timestamp, *([view.created_timestamp] if view.created_timestamp else [])]
    columns = {f"{_VIEW}{feature.name}": feature.column for feature in view.features}
    columns |= {f"{_TIME}{name}": name for name in times}
    source = lakehouse.source(pin)
    lookup = Lookup(
        name=view.name,
        source=source,
        keys=view.join_keys,
        timestamp=view.timestamp,
        columns=columns,
        created_timestamp=view.created_timestamp,
        ttl=None,
        ties=sorted(source.schema.names),
    )
    joined = StreamedJoin(settings.thread_count).join(asked, _AS_OF, [lookup], filter_by_created=True)
    found = joined.table()
    found = found.filter(found[f"{_TIME}{view.timestamp}"].is_valid())
    result = {key: found[key] for key in view.join_keys}
    result |= {one.name: cast(found[f"{_VIEW}{one.name}"], one) for one in view.features}
    return pa.table(result | {name: found[f"{_TIME}{name}"] for name in times})


def _distinct_keys(lakehouse: Lakehouse, view: FeatureView, pin: Pin) -> pa.Table:
    """The keys there are, each once; one row without columns' values for a view without keys."""
    if not view.join_keys:
        return pa.table({_VIEW: [0]})
    distinct: pa.Table | None = None
    waiting: list[pa.RecordBatch] = []
    reader = lakehouse.read(pin, list(dict.fromkeys(view.join_keys.values())))
    for batch in reader:
        waiting.append(batch)
        if sum(one.num_rows for one in waiting) >= _DISTINCT_AT_ONCE:
            distinct, waiting = _merged(distinct, waiting), []
    if waiting:
        distinct = _merged(distinct, waiting)
    keys = reader.schema.empty_table() if distinct is None else distinct
    return pa.table({key: keys[column] for key, column in view.join_keys.items()})


def _merged(known: pa.Table | None, batches: list[pa.RecordBatch]) -> pa.Table:
    every = pa.Table.from_batches(batches)
    every = every if known is None else pa.concat_tables([known, every])
    return every.group_by(every.column_names).aggregate([])
