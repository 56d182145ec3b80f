"""What a materialization tells a person: rows, snapshot, schema, lineage, pictures."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from asgard_pipelines.lakehouse import Lakehouse, Pin

Metadata = dict[str, Any]


def table_metadata(lakehouse: Lakehouse, pin: Pin) -> Metadata:
    """The standard keys for a table at a snapshot, and `asgard/snapshot_id`."""
    state = lakehouse.state(pin.table)
    return {
        "dagster/table_name": f"iceberg.{pin.table}",
        "dagster/uri": state.location,
        "dagster/row_count": int(lakehouse.summary(pin).get("total-records", 0)),
        "dagster/column_schema": dg.TableSchema(
            [dg.TableColumn(field.name, str(field.type)) for field in lakehouse.schema(pin)]
        ),
        "asgard/snapshot_id": str(pin.snapshot_id),
    }


def version_of(pin: Pin) -> dg.DataVersion:
    return dg.DataVersion(str(pin.snapshot_id))


def read_from(pins: Mapping[str, int | None] | Mapping[str, int]) -> dg.MetadataValue:
    """The snapshots that were read, as a table."""
    return dg.TableMetadataValue(
        records=[dg.TableRecord({"table": t, "snapshot": str(s)}) for t, s in sorted(pins.items())],
        schema=dg.TableSchema([dg.TableColumn("table"), dg.TableColumn("snapshot")]),
    )


def figures(values: Mapping[str, float], name: str, value: str) -> dg.MetadataValue:
    """Named numbers as a table, in the given order."""
    return dg.TableMetadataValue(
        records=[dg.TableRecord({name: key, value: round(float(v), 5)}) for key, v in values.items()],
        schema=dg.TableSchema([dg.TableColumn(name), dg.TableColumn(value, "float")]),
    )


def picture(png: bytes, title: str) -> dg.MetadataValue:
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")


def column_lineage(
    columns: Mapping[str, list[tuple[str, str]]], keys: Mapping[str, dg.AssetKey]
) -> dg.TableColumnLineage:
    """`columns`: column -> [(table, column)] it is made from; `keys`: table -> asset key."""
    return dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(asset_key=keys[table], column_name=source)
                for table, source in sources
                if table in keys
            ]
            for column, sources in columns.items()
        }
    )
