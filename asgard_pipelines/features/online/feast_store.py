"""The online store as Feast knows one: what its `materialize`, `push` and `get_online_features` write to and
read.

`feature_store.yaml` names it; where it is comes from the settings.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from feast import Entity, FeatureView
from feast.infra.infra_object import InfraObject
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import compute_versioned_name
from feast.infra.online_stores.online_store import OnlineStore as FeastOnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel, RepoConfig

from asgard_pipelines.features.online.encoded_rows import NO_CREATED, EncodedRows, Times
from asgard_pipelines.features.online.keys import KEYLESS
from asgard_pipelines.features.online.opening import online_store
from asgard_pipelines.features.online.store import OnlineStore, ViewRead
from asgard_pipelines.settings import Settings

# Said by `feast plan` and `feast apply` of every repo with an on-demand view, about Feast's own offline join;
# Asgard's computes them here. Of Asgard, this module is the one that Feast's command loads.
warnings.filterwarnings("ignore", "On demand feature view is an experimental feature", RuntimeWarning)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AT_ONCE = 8192
Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


# Feast finds the config as the store's name + "Config", beside it.
class GuardedOnlineStoreConfig(FeastConfigBaseModel):
    """No fields: `ASGARD_ONLINE_STORE` says where the store is."""

    type: str = "asgard_pipelines.features.online.GuardedOnlineStore"


class GuardedOnlineStore(FeastOnlineStore):
    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[Row],
        progress: Callable[[int], Any] | None,
    ) -> None:
        store, view = _store(config), _name(config, table)
        with_created = bool(table.batch_source is not None and table.batch_source.created_timestamp_column)
        for start in range(0, len(data), _AT_ONCE):
            some = data[start : start + _AT_ONCE]
            store.put(view, _encoded(_newest(config, some), [f.name for f in table.features], with_created))
            if progress:
                progress(len(some))

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        names = tuple(requested_features or [feature.name for feature in table.features])
        keys = [_key(config, one) for one in entity_keys]
        rows = _store(config).reader([ViewRead(_name(config, table), names)]).fetch([keys])[0]
        return [(None, None) if row is None else (_time(row[0]), _values(names, row[1])) for row in rows]

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        store = _store(config)
        for table in tables_to_delete:
            store.remove(_name(config, table), [feature.name for feature in table.features])
        for table in tables_to_keep:
            store.make(_name(config, table))

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        self.update(config, tables, [], entities, [], False)

    def plan(self, config: RepoConfig, desired_registry_proto: Any) -> list[InfraObject]:
        """No infrastructure: its tables come with `apply`. What Feast's SQLite store plans would be recorded
        in the registry with the file's absolute path."""
        return []


def _store(config: RepoConfig) -> OnlineStore:
    return online_store(Settings.read(), config.project)


def _name(config: RepoConfig, table: FeatureView) -> str:
    return str(compute_versioned_name(table, config.registry.enable_online_feature_view_versioning))


def _key(config: RepoConfig, key: EntityKey) -> bytes:
    if not key.join_keys:  # Feast's `push` to a view without keys, which over its own store it does not find
        return KEYLESS
    made: bytes = serialize_entity_key(key, config.entity_key_serialization_version)
    return made


def _newest(config: RepoConfig, data: Sequence[Row]) -> dict[bytes, tuple[int, int, dict[str, Value]]]:
    """Of each key the newest of the batch; of equal ones the last."""
    newest: dict[bytes, tuple[int, int, dict[str, Value]]] = {}
    for entity, values, event, created in data:
        key = _key(config, entity)
        row = (_micros(event), _created(created), values)
        if key not in newest or newest[key][:2] <= row[:2]:
            newest[key] = row
    return newest


def _encoded(
    rows: dict[bytes, tuple[int, int, dict[str, Value]]], features: Sequence[str], with_created: bool
) -> EncodedRows:
    empty = Value()
    values: dict[str, Any] = {
        name: [row[2].get(name, empty).SerializeToString() for row in rows.values()]
        for name in features
        if any(name in row[2] for row in rows.values())
    }
    event = np.array([row[0] for row in rows.values()], np.int64)
    created = np.array([row[1] for row in rows.values()], np.int64)
    return EncodedRows(list(rows), values, Times(event, created if with_created else None))


def _values(names: Sequence[str], stored: Sequence[bytes | None]) -> dict[str, Value]:
    return {name: Value.FromString(one) if one else Value() for name, one in zip(names, stored, strict=True)}


def _created(instant: datetime | None) -> int:
    """Feast's materialization gives pandas' own nothing for a null."""
    return NO_CREATED if pd.isna(instant) else _micros(instant)


def _micros(instant: datetime) -> int:
    zoned = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
    return (zoned - _EPOCH) // timedelta(microseconds=1)


def _time(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
