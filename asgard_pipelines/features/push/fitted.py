"""Rows that waited while their view was declared otherwise: as it is declared now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.errors import Invalid
from asgard_pipelines.features.push.rows import PushedRows, stored_as


def fitted(rows: PushedRows, view: FeatureView, key_types: Mapping[str, str]) -> PushedRows:
    """With the view's present keys and features: each is found by its column, or else by its name. A feature
    that the rows have not is null, and what the view has no more is left out.

    Raises:
        Invalid: the rows lack a join key.
        TypeMismatch: a value is none of what its key or feature is now.
    """
    made = renamed(rows, view)
    made.table(view, {key: key_types[key] for key in view.join_keys})
    return made


def renamed(rows: PushedRows, view: FeatureView) -> PushedRows:
    """As `fitted`, the values unseen. Raises Invalid."""
    names = stored_as(view)
    if rows.columns.keys() == {*view.join_keys, *view.feature_names} and rows.stored_as == names:
        return rows
    by_column = {rows.stored_as.get(name, name): values for name, values in rows.columns.items()}
    columns: dict[str, list[Any]] = {}
    for name in [*view.join_keys, *view.feature_names]:
        found = by_column.get(names.get(name, name), rows.columns.get(name))
        if found is None and name in view.join_keys:
            raise Invalid(
                f"Pushed rows of '{view.name}' have no '{name}', which is a key of the view now.", column=name
            )
        columns[name] = [None] * len(rows) if found is None else found
    return PushedRows(columns, rows.event, rows.created, names)
