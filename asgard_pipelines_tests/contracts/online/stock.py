"""Feast's own online stores in the place where ours is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType, types

from asgard_pipelines import declarations

_TYPES: dict[str, Any] = {
    "string": types.String,
    "int32": types.Int32,
    "int64": types.Int64,
    "float64": types.Float64,
    "float32": types.Float32,
    "bool": types.Bool,
    "timestamp": types.UnixTimestamp,
}
_VALUE_TYPES = {"string": ValueType.STRING, "int32": ValueType.INT32, "int64": ValueType.INT64}


def feast_with(
    folder: Path,
    project: str,
    online_store: dict[str, Any],
    entities: Sequence[declarations.Entity] = (),
    views: Sequence[declarations.FeatureView] = (),
) -> FeatureStore:
    """A Feast program over Feast's own store, or over ours by its dotted name; it knows these views, or those
    that were applied in this folder before."""
    opened = FeatureStore(
        config=RepoConfig(
            project=project,
            provider="local",
            registry=str(folder / f"{project}.db"),
            online_store=online_store,
            offline_store={"type": "file"},
            entity_key_serialization_version=3,
            repo_path=folder,
        )
    )
    known = {
        one.name: Entity(name=one.name, join_keys=[one.join_key], value_type=_VALUE_TYPES[one.dtype])
        for one in entities
    }
    if views:
        opened.apply([*known.values(), *(_view(folder, view, known) for view in views)])
    return opened


def feast_type(dtype: str) -> Any:
    return types.Array(_TYPES[dtype[6:-1]]) if dtype.startswith("array<") else _TYPES[dtype]


def _view(folder: Path, view: declarations.FeatureView, entities: dict[str, Entity]) -> FeatureView:
    return FeatureView(
        name=view.name,
        entities=[entities[name] for name in view.entities],
        schema=[Field(name=one.name, dtype=feast_type(one.dtype)) for one in view.features],
        source=FileSource(
            name=f"{view.name}_source",
            path=str(folder / f"{view.name}.parquet"),
            timestamp_field=view.timestamp,
            created_timestamp_column=view.created_timestamp or "",
        ),
        ttl=view.ttl,
        online=True,
    )


def written(opened: FeatureStore, view: str, **columns: Any) -> None:
    opened.write_to_online_store(view, pd.DataFrame(columns))


def online(
    opened: FeatureStore, view: declarations.FeatureView, **entities: list[Any]
) -> list[tuple[Any, ...]]:
    """For each row asked, the features' values as Feast gives them."""
    rows = [dict(zip(entities, row, strict=True)) for row in zip(*entities.values(), strict=True)] or [{}]
    answer = opened.get_online_features(
        features=[f"{view.name}:{name}" for name in view.feature_names], entity_rows=rows
    ).to_dict()
    return list(zip(*(answer[name] for name in view.feature_names), strict=True))
