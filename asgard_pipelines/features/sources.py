"""Feast data sources for gold tables: `gold("customer_aggregates", timestamp_field="created_at")`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from feast.batch_feature_view import SUPPORTED_BATCH_SOURCES
from feast.infra.data_sources.contrib.iceberg_catalog import IcebergSource
from feast.repo_config import RepoConfig
from feast.type_map import pa_to_feast_value_type
from feast.value_type import ValueType

from asgard_pipelines.features.source_pins import AS_OF_TAG, SNAPSHOT_TAG, Moment, tags_of
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.settings import CATALOG, Settings

# Feast's batch feature views name the sources they take, and its own Iceberg source is not yet among them.
SUPPORTED_BATCH_SOURCES.update({"IcebergSource", "GoldSource"})


class GoldSource(IcebergSource):
    """A table of the house's catalog.

    In the registry it is Feast's own `IcebergSource`, which every installation of Feast can read, of a
    catalog called `iceberg` without an address: addresses are absolute paths, which make every view look
    changed when the lakehouse moves, and may hold passwords. Here the settings give it; elsewhere
    PyIceberg's configuration does. A pin is a tag.
    """

    def __init__(self, *, namespace: str, table: str, name: str | None = None, **rest: Any) -> None:
        super().__init__(
            warehouse="",
            namespace=namespace,
            table=table,
            catalog_type="sql",
            catalog_name=CATALOG,
            name=name or f"{namespace}.{table}",
            **rest,
        )

    @property
    def qualified(self) -> str:
        return f"{self.namespace}.{self.iceberg_table}"

    def at_snapshot(self, snapshot_id: int) -> GoldSource:
        """The same source, read at that snapshot; called `schema.table@snapshot_id`."""
        return self._pinned(snapshot_id)

    def as_of(self, instant: datetime) -> GoldSource:
        """The same source, read at the newest snapshot committed by then (a naive time is UTC)."""
        return self._pinned(instant)

    def _pinned(self, moment: Moment, name: str | None = None) -> GoldSource:
        tag = tags_of(moment)
        copy = _gold_source(self.namespace, self.iceberg_table, self)
        copy.name = name or f"{self.qualified}@{next(iter(tag.values()))}"  # Feast takes each name once
        for other in (SNAPSHOT_TAG, AS_OF_TAG):
            copy.tags.pop(other, None)
        copy.tags.update(tag)
        return copy

    @staticmethod
    def from_proto(data_source: Any) -> GoldSource:
        """From a registry of the time when gold sources had a type of their own there."""
        named = json.loads(data_source.custom_options.configuration)
        return _gold_source(named["namespace"], named["table"], data_source)

    def get_catalog_client(self) -> Any:
        """The house's catalog, as the settings say where it is."""
        return Lakehouse(Settings.read()).catalog.iceberg

    def validate(self, config: RepoConfig) -> None:
        """Accepts a table that is not there yet: declared first, built by the graph.

        What a table must hold is checked when the declarations are compiled and when it is built.
        """

    def get_table_column_names_and_types(self, config: RepoConfig) -> Iterable[tuple[str, str]]:
        """Columns and their plain Arrow types. Raises TableNotFound."""
        lakehouse = Lakehouse(Settings.read())
        return [(field.name, str(field.type)) for field in lakehouse.schema(lakehouse.pin(self.qualified))]

    @staticmethod
    def source_datatype_to_feast_value_type() -> Callable[[str], ValueType]:
        return _value_type


_SOURCES: WeakValueDictionary[bytes, GoldSource] = WeakValueDictionary()
"""As long as a view has them."""


def house_source(source: Any) -> GoldSource | None:
    """The source as one of the house's catalog, however the registry gave it; None for any other."""
    if isinstance(source, GoldSource):
        return source
    if not isinstance(source, IcebergSource) or source.catalog_name != CATALOG:
        return None
    if source.endpoint or source.warehouse or source.catalog_properties:
        return None
    return _gold_source(source.namespace, source.iceberg_table, source)


def _gold_source(namespace: str, table: str, described: Any) -> GoldSource:
    """With everything else as `described` says it: a source, or the registry's message of one."""
    return GoldSource(
        namespace=namespace,
        table=table,
        name=described.name,
        timestamp_field=described.timestamp_field,
        created_timestamp_column=described.created_timestamp_column,
        field_mapping=dict(described.field_mapping),
        description=described.description,
        tags=dict(described.tags),
        owner=described.owner,
    )


def _value_type(arrow_type: str) -> ValueType:
    if arrow_type.startswith("date"):
        return ValueType.UNIX_TIMESTAMP
    if arrow_type.startswith("decimal"):
        return ValueType.DOUBLE
    try:
        return pa_to_feast_value_type(arrow_type)
    except KeyError:
        return ValueType.UNKNOWN


def gold(
    table: str,
    *,
    timestamp_field: str,
    created_timestamp_column: str | None = None,
    field_mapping: dict[str, str] | None = None,
    at_snapshot: int | None = None,
    as_of: datetime | None = None,
    name: str | None = None,
    description: str = "",
    tags: dict[str, str] | None = None,
    owner: str = "",
) -> GoldSource:
    """The source of a gold table, for views. Told the same, it is the same: Feast takes each name once.

    Args:
        table: `t`, `schema.t` or `iceberg.schema.t`; a bare name is looked up in the gold schema.
        timestamp_field: The event time's column; a naive time is UTC.
        created_timestamp_column: When a row became known. Where given, training and scoring never use a
            row created after the time that is asked about.
        field_mapping: Column of the table -> name in the views.
        at_snapshot: Read the table at this snapshot, for ever.
        as_of: Read it at the newest snapshot committed by then, for ever.
        name: Of the source, which is the table's otherwise. Where views read one table in several ways, by
            other times for example, all but one of the sources need one.
    """
    *schema, bare = table.removeprefix(f"{CATALOG}.").split(".")
    if len(schema) > 1:
        raise ValueError(f"'{table}' is no table's name: give `t`, `schema.t` or `{CATALOG}.schema.t`")
    if at_snapshot is not None and as_of is not None:
        raise ValueError(f"'{table}' cannot be pinned twice: give at_snapshot or as_of")
    source = GoldSource(
        namespace=schema[0] if schema else Settings.read().gold_schema,
        table=bare,
        name=name,
        timestamp_field=timestamp_field,
        created_timestamp_column=created_timestamp_column,
        field_mapping=field_mapping,
        description=description,
        tags=tags,
        owner=owner,
    )
    moment = at_snapshot if at_snapshot is not None else as_of
    made = source if moment is None else source._pinned(moment, name)
    told = made.to_proto()
    told.ClearField("meta")  # when it was made
    return _SOURCES.setdefault(told.SerializeToString(deterministic=True), made)
