"""Retrieval without entity rows: every moment at which a view's source says something of a key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
from feast.infra.offline_stores.offline_utils import DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL as TIMESTAMP

from asgard_pipelines.features.offline_store.entity_rows import EntityRows
from asgard_pipelines.features.offline_store.range_retrieval import distinct
from asgard_pipelines.features.offline_store.view_lookups import ViewLookup


def every_moment(views: Sequence[ViewLookup], start: datetime, end: datetime) -> EntityRows:
    """The different keys and event times in [start, end], by time and key.

    Each view with keys gives its own; keys that it does not have are null. Views without keys give times
    only when there are no others, for else they hold for every key.
    """
    keyed = [view for view in views if view.keys]
    parts = []
    for view in keyed or views:
        columns = [*view.keys.values(), view.timestamp]
        found = distinct(view.source, columns, view.timestamp, start, end)
        times = found.column(view.timestamp).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
        keys = {key: found.column(column) for key, column in view.keys.items()}
        parts.append(pa.table(keys | {TIMESTAMP: times}))
    rows = pa.concat_tables(parts, promote_options="permissive")
    rows = rows.group_by(rows.column_names, use_threads=False).aggregate([])
    order = [(TIMESTAMP, "ascending"), *((key, "ascending") for key in rows.column_names if key != TIMESTAMP)]
    return EntityRows(rows.sort_by(order), TIMESTAMP)
