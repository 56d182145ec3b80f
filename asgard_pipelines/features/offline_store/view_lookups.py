"""Feature views as lookups: which source, which of its columns, and what they are called in the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from feast.feature_view import DUMMY_ENTITY_ID
from feast.utils import _parse_feature_ref

from asgard_pipelines.errors import ColumnNotFound, Invalid, TypeMismatch, Unsupported
from asgard_pipelines.features.kinds import same_kind
from asgard_pipelines.features.offline_store.opened_sources import OpenedSources
from asgard_pipelines.features.point_in_time.engine import Lookup
from asgard_pipelines.lakehouse import Source

ASKED_AT = "asked at"
"""The column of the asked rows that holds their time; no feature can be called so."""


@dataclass(frozen=True)
class ViewLookup:
    """A view's part of a retrieval. Names are the source's, but for the keys of the two mappings."""

    view: str
    source: Source
    keys: Mapping[str, str]
    """Join key, as the asked rows call it -> column."""
    timestamp: str
    created: str | None
    columns: Mapping[str, str]
    """Name in the result -> column."""
    ttl: timedelta | None
    ties: Sequence[str]

    def lookup(self, keys: Mapping[str, str]) -> Lookup:
        """`keys`: column of the asked rows -> the source's."""
        return Lookup(
            name=self.view,
            source=self.source,
            keys=keys,
            timestamp=self.timestamp,
            columns=self.columns,
            created_timestamp=self.created,
            ttl=self.ttl,
            ties=self.ties,
        )


def view_lookups(
    views: Sequence[Any], refs: Sequence[str], sources: OpenedSources, *, full_names: bool
) -> list[ViewLookup]:
    """
    Args:
        views: Feast's feature views, each with the projection that is asked for.
        refs: `view:feature`; those of other views (on-demand ones) are passed over.

    Raises:
        Unsupported: a view without a source of rows, or one that cannot be read here.
        ColumnNotFound: the source, at its pin, lacks a column that is needed.
        Invalid: two features would have one name.
    """
    found = [_view_lookup(view, refs, sources, full_names) for view in views]
    names = [name for one in found for name in one.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Invalid(
            f"Two features would be called {', '.join(twice)}: ask with full_feature_names=True.",
            features=twice,
        )
    return found


def _view_lookup(view: Any, refs: Sequence[str], sources: OpenedSources, full_names: bool) -> ViewLookup:
    source = view.batch_source
    if source is None:
        raise Unsupported(f"Feature view '{view.name}' has no batch source to read.", view=view.name)
    column_of = {name: column for column, name in source.field_mapping.items()}
    opened = sources.open(source)
    here = set(opened.schema.names)

    def column(name: str) -> str:
        mapped = column_of.get(name, name)
        return mapped if mapped in here else name

    prefix = f"{view.projection.name_alias or view.name}__" if full_names else ""
    features = dict.fromkeys(_feature(ref) for ref in refs if _view(ref) == view.projection.name_to_use())
    lookup = ViewLookup(
        view=view.projection.name_to_use(),
        source=opened,
        keys={
            view.projection.join_key_map.get(key.name, key.name): column(key.name)
            for key in view.entity_columns
            if key.name != DUMMY_ENTITY_ID
        },
        timestamp=column(source.timestamp_field),
        created=column(source.created_timestamp_column) if source.created_timestamp_column else None,
        columns={f"{prefix}{feature}": column(feature) for feature in features},
        ttl=view.ttl or None,  # Feast's zero never expires
        ties=sorted(here),  # all of them: not only those that one view has
    )
    needed = [*lookup.keys.values(), lookup.timestamp, *lookup.columns.values()]
    for name in [*needed, lookup.created] if lookup.created else needed:
        if name not in here:
            raise ColumnNotFound(name, opened.schema.names, table=str(opened.pin))
    return lookup


def asked_rows(rows: pa.Table, timestamp: str, views: Sequence[ViewLookup]) -> tuple[pa.Table, list[Lookup]]:
    """What the engine is asked: the times and the keys alone, in the types of the sources; and the lookups.

    Raises:
        ColumnNotFound: a join key is missing.
        TypeMismatch: a join key is of another kind than in the source.
        Invalid: a feature would be called as one of the rows' columns.
    """
    twice = sorted({name for view in views for name in view.columns} & set(rows.column_names))
    if twice:
        raise Invalid(
            f"The entity rows have a column {', '.join(twice)}, which a feature would be called too: rename "
            "it, or ask with full_feature_names=True.",
            columns=twice,
        )
    columns = {ASKED_AT: rows[timestamp]}
    lookups = []
    for view in views:
        keys = {}
        for key, column in view.keys.items():
            if key not in rows.column_names:
                raise ColumnNotFound(key, rows.column_names, table="the entity rows")
            kind = view.source.schema.field(column).type
            asked = f"asked {key} as {kind}"
            keys[asked] = column
            if asked not in columns:
                columns[asked] = _as_kind(rows[key], kind, key)
        lookups.append(view.lookup(keys))
    return pa.table(columns), lookups


def _as_kind(keys: pa.ChunkedArray, kind: pa.DataType, name: str) -> pa.ChunkedArray:
    """Keys as the source has them. A frame makes whole numbers with gaps floats, and text categories."""
    if pa.types.is_dictionary(keys.type):
        keys = keys.cast(keys.type.value_type)
    if pa.types.is_null(keys.type):
        return keys.cast(kind)
    if pa.types.is_floating(keys.type) and pa.types.is_integer(kind):
        whole = pc.and_(pc.equal(pc.round(keys), keys), pc.less(pc.abs(keys), 2.0**63))
        return pc.if_else(whole, keys, None).cast(pa.int64(), safe=False)
    if not same_kind(keys.type, kind):
        raise TypeMismatch(
            f"Join key '{name}' holds {keys.type} in the entity rows and {kind} in the source: '1' is not 1.",
            column=name,
            declared=str(kind),
            found=str(keys.type),
        )
    return keys


def _view(ref: str) -> str:
    view, version, _ = _parse_feature_ref(ref)
    return str(view) if version is None else f"{view}@v{version}"


def _feature(ref: str) -> str:
    return str(_parse_feature_ref(ref)[2])
