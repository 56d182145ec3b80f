"""Pushed rows as the table of their view takes them, however the view was declared when they came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.errors import TypeMismatch
from asgard_pipelines.features.offline_store.stored_types import narrowed, wide_enough
from asgard_pipelines.features.push.fitted import renamed
from asgard_pipelines.features.push.rows import PushedRows


def as_stored(
    rows: PushedRows, view: FeatureView, key_types: Mapping[str, str], schema: pa.Schema
) -> pa.Table:
    """Under the table's own names, in its types. What the view has no more stays where the table still has a
    column for it; a column that the rows have nothing for is null.

    Raises:
        Invalid: the rows lack a join key.
        TypeMismatch: a value does not fit its column, or a column takes no null.
    """
    now = renamed(rows, view).table(view, key_types)
    columns = {column: now[key] for key, column in view.join_keys.items()}
    columns |= {feature.column: now[feature.name] for feature in view.features}
    columns |= {name: now[name] for name in (view.timestamp, view.created_timestamp) if name}
    for name, values in rows.columns.items():
        column = rows.stored_as.get(name, name)
        if column in schema.names and column not in columns:
            columns[column] = _kept(values, schema.field(column))
    for field in schema:
        if field.name not in columns:
            columns[field.name] = pa.nulls(len(rows), field.type)
    # A feature whose column the table has not yet gets one by the append.
    made = narrowed(pa.table(columns).select(schema.names), schema)
    wide_enough(made, schema)
    for field in schema:
        if not field.nullable and made[field.name].null_count:
            raise TypeMismatch(
                f"Column '{field.name}' takes no null, and pushed rows of '{view.name}' have none for it.",
                column=field.name,
            )
    for name in sorted(columns.keys() - set(schema.names)):
        made = made.append_column(name, columns[name])
    return made


def _kept(values: list[Any], field: pa.Field) -> pa.Array:
    try:
        return pa.array(values, field.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):  # the column is another one by now
        return pa.nulls(len(values), field.type)
