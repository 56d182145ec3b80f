"""Feast data sources for gold tables: `gold("customer_aggregates", timestamp_field="created_at")`."""

from __future__ import annotations

import json
from typing import Any

from feast.infra.data_sources.contrib.iceberg_catalog import IcebergSource
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from feast.repo_config import RepoConfig

from asgard_pipelines.settings import CATALOG, Settings


class GoldSource(IcebergSource):
    """A table of the configured catalog.

    Feast's `IcebergSource` stores the catalog's properties in the registry: absolute paths, which make
    every view look changed when the lakehouse moves, and passwords where the address has one. This one
    stores the table's name, and asks the settings for the rest when the table is opened.
    """

    def __init__(self, *, namespace: str, table: str, **rest: Any) -> None:
        super().__init__(
            warehouse="",
            namespace=namespace,
            table=table,
            catalog_type="sql",
            catalog_name=CATALOG,
            name=f"{namespace}.{table}",
            **rest,
        )

    @property
    def table(self) -> str:
        return f"{self.namespace}.{self.iceberg_table}"

    def get_catalog_client(self) -> Any:
        properties = Settings.read().catalog_properties
        opened = IcebergSource(
            warehouse=properties["warehouse"],
            namespace=self.namespace,
            table=self.iceberg_table,
            catalog_type=properties["type"],
            catalog_name=CATALOG,
            catalog_properties=properties,
        )
        return opened.get_catalog_client()

    def validate(self, config: RepoConfig) -> None:
        """Accepts a table that is not there yet: declared first, built by the graph.

        What a table must hold is checked when the declarations are compiled and when it is built.
        """

    def source_type(self) -> Any:
        return DataSourceProto.CUSTOM_SOURCE

    def _to_proto_impl(self) -> DataSourceProto:
        proto = super()._to_proto_impl()
        proto.type = DataSourceProto.CUSTOM_SOURCE
        proto.data_source_class_type = f"{__name__}.{type(self).__name__}"
        table = {"namespace": self.namespace, "table": self.iceberg_table}
        proto.custom_options.configuration = json.dumps(table).encode()
        return proto

    @staticmethod
    def from_proto(data_source: Any) -> GoldSource:
        return GoldSource(
            **json.loads(data_source.custom_options.configuration),
            timestamp_field=data_source.timestamp_field,
            created_timestamp_column=data_source.created_timestamp_column,
            field_mapping=dict(data_source.field_mapping),
            description=data_source.description,
            tags=dict(data_source.tags),
            owner=data_source.owner,
        )


def gold(
    table: str,
    *,
    timestamp_field: str,
    created_timestamp_column: str | None = None,
    field_mapping: dict[str, str] | None = None,
    description: str = "",
    tags: dict[str, str] | None = None,
    owner: str = "",
) -> GoldSource:
    """The source of a gold table, for views.

    Args:
        table: `t`, `schema.t` or `iceberg.schema.t`; a bare name is looked up in the gold schema.
        timestamp_field: The event time's column; a naive time is UTC.
        created_timestamp_column: When a row became known. Where given, training and scoring never use a
            row created after the time that is asked about.
        field_mapping: Column of the table -> name in the views.
    """
    *schema, name = table.removeprefix(f"{CATALOG}.").split(".")
    if len(schema) > 1:
        raise ValueError(f"'{table}' is no table's name: give `t`, `schema.t` or `{CATALOG}.schema.t`")
    return GoldSource(
        namespace=schema[0] if schema else Settings.read().gold_schema,
        table=name,
        timestamp_field=timestamp_field,
        created_timestamp_column=created_timestamp_column,
        field_mapping=field_mapping,
        description=description,
        tags=tags,
        owner=owner,
    )
