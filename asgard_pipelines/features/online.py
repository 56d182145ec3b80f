"""The online store: what is newest now, written through Feast."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from feast.errors import FeatureViewNotFoundException

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.errors import FeatureViewNotFound
from asgard_pipelines.features.historical import known, read_view, window
from asgard_pipelines.features.join import Asked, newest
from asgard_pipelines.features.kinds import cast
from asgard_pipelines.features.registry import store
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.settings import Settings


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
    rows = current_rows(lakehouse, view, pin, as_of)
    if len(rows):
        opened.write_to_online_store(view.name, rows.to_pandas(integer_object_nulls=True))
    return len(rows)


def current_rows(lakehouse: Lakehouse, view: FeatureView, pin: Pin, as_of: datetime) -> pa.Table:
    """One row per key, the newest known as of `as_of`: join keys, features, event time, created time."""
    instant = as_of.replace(tzinfo=UTC) if as_of.tzinfo is None else as_of.astimezone(UTC)
    at = pa.chunked_array([pa.array([instant], pa.timestamp("us", "UTC"))])
    endless = view.model_copy(update={"ttl": None})
    table = read_view(lakehouse, view, {f.column for f in view.features}, pin, window(at, endless))
    every = pa.table({key: table[column] for key, column in view.join_keys.items()})
    keys = every.group_by(every.column_names).aggregate([]) if view.join_keys else pa.table({"_": [0]})
    times = pa.chunked_array([pa.array([instant] * len(keys), pa.timestamp("us", "UTC"))])
    found = newest(Asked([keys[key] for key in view.join_keys], times), known(view, table), ttl=None)
    picked = table.take(pa.array(np.sort(found.index[found.index >= 0])))
    columns = {key: picked[column] for key, column in view.join_keys.items()}
    columns |= {feature.name: cast(picked[feature.column], feature) for feature in view.features}
    columns[view.timestamp] = picked[view.timestamp]
    if view.created_timestamp:
        columns[view.created_timestamp] = picked[view.created_timestamp]
    return pa.table(columns)
