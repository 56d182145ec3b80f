"""What was asked for as `prefix:feature`, as of each row's own time, from the tables as they are now."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa

from asgard_pipelines.declarations import Declarations
from asgard_pipelines.errors import Invalid
from asgard_pipelines.features.entity_frames import key
from asgard_pipelines.features.historical import Joined, historical_features
from asgard_pipelines.features.kinds import arrow_type
from asgard_pipelines.features.references import AskedFeature
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.settings import Settings


def asked_history(
    settings: Settings,
    lakehouse: Lakehouse,
    declarations: Declarations,
    rows: pa.Table,
    timestamp: str,
    asked: Sequence[AskedFeature],
) -> Joined:
    """
    Args:
        rows: `timestamp`, and the keys under their join keys' names or under their entities'; more columns
            pass through.

    Raises:
        Invalid: keys are missing (they are named), or two columns would have one name.
        TableNotFound, ColumnNotFound, TypeMismatch
    """
    on_demand = {view.name: view.sources for view in declarations.on_demand_views}
    named = dict.fromkeys(source for one in asked for source in on_demand.get(one.ref.view, [one.ref.view]))
    views = [declarations.view(name) for name in named]
    _need_keys(rows.column_names, {key for view in views for key in view.join_keys}, declarations)
    join_key = {one.name: one.join_key for one in declarations.entities}
    return historical_features(
        settings,
        lakehouse,
        declarations,
        rows.rename_columns([join_key.get(name, name) for name in rows.column_names]),
        timestamp,
        [one.ref for one in asked],
        {view.table: lakehouse.pin(view.table) for view in views},
        [one.name for one in asked],
    )


def typed_keys(declarations: Declarations, rows: pa.Table) -> pa.Table:
    """The rows, with each column that is called as an entity or its join key in that entity's declared type.

    Raises:
        TypeMismatch: a value that is no key of its entity.
    """
    kinds = {name: one.dtype for one in declarations.entities for name in (one.name, one.join_key)}
    for place, name in enumerate(rows.column_names):
        if name in kinds and rows.schema.field(name).type != arrow_type(kinds[name]):
            typed = [key(name, value, kinds[name]) for value in rows[name].to_pylist()]
            rows = rows.set_column(place, name, pa.array(typed, arrow_type(kinds[name])))
    return rows


def _need_keys(columns: Collection[str], wanted: set[str], declarations: Declarations) -> None:
    """Raises Invalid."""
    given = {one.join_key for one in declarations.entities if {one.name, one.join_key} & set(columns)}
    missing = sorted(wanted - given)
    if missing:
        raise Invalid(
            f"`entity_df` lacks the keys of these features: {', '.join(missing)}.",
            field="entity_df",
            missing=missing,
        )
