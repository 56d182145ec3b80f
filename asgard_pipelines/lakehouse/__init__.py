"""The lakehouse: Iceberg tables at named snapshots, keyed commits, SQL over both, and gold built by it.

Every arrow of the lineage is a `Pin` (a table at a snapshot): reads take one, commits give one.
Nothing here knows what a feature or a model is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgard_pipelines.lakehouse.catalog import TableState
    from asgard_pipelines.lakehouse.changes import Changes
    from asgard_pipelines.lakehouse.column_types import added_column, declared_type
    from asgard_pipelines.lakehouse.commits import BaseMoved, Commit
    from asgard_pipelines.lakehouse.file_difference import FileDifference, FileFigures
    from asgard_pipelines.lakehouse.gold import Built, build
    from asgard_pipelines.lakehouse.gold_contract import contract_problems
    from asgard_pipelines.lakehouse.gold_pins import pins_of
    from asgard_pipelines.lakehouse.gold_stale import roots_read, stale, watermark
    from asgard_pipelines.lakehouse.lakehouse import Lakehouse
    from asgard_pipelines.lakehouse.parquet_files import parquet_source
    from asgard_pipelines.lakehouse.parquet_import import import_parquet, make_table
    from asgard_pipelines.lakehouse.picked_files import Tally
    from asgard_pipelines.lakehouse.pinned_source import within
    from asgard_pipelines.lakehouse.pins import AnyOf, Between, OneOf, Pin, Predicate, TimeRange
    from asgard_pipelines.lakehouse.private_catalog import write_private_catalog
    from asgard_pipelines.lakehouse.probing import probe_catalog, probe_engine, probe_warehouse
    from asgard_pipelines.lakehouse.sources import DataFile, Piece, Positions, Source
    from asgard_pipelines.lakehouse.sql import SqlResult, run_sql
    from asgard_pipelines.lakehouse.sql_text import column_lineage, not_deterministic, tables_read
    from asgard_pipelines.lakehouse.statistics import ColumnStatistics, TableStatistics
    from asgard_pipelines.lakehouse.storage_roots import below_a_root

_HOMES = {
    "ColumnStatistics": "statistics",
    "TableStatistics": "statistics",
    "AnyOf": "pins",
    "BaseMoved": "commits",
    "Between": "pins",
    "Built": "gold",
    "Changes": "changes",
    "Commit": "commits",
    "DataFile": "sources",
    "FileDifference": "file_difference",
    "FileFigures": "file_difference",
    "Lakehouse": "lakehouse",
    "OneOf": "pins",
    "Piece": "sources",
    "Pin": "pins",
    "Positions": "sources",
    "Predicate": "pins",
    "Source": "sources",
    "SqlResult": "sql",
    "TableState": "catalog",
    "Tally": "picked_files",
    "TimeRange": "pins",
    "added_column": "column_types",
    "below_a_root": "storage_roots",
    "build": "gold",
    "column_lineage": "sql_text",
    "contract_problems": "gold_contract",
    "declared_type": "column_types",
    "import_parquet": "parquet_import",
    "make_table": "parquet_import",
    "not_deterministic": "sql_text",
    "parquet_source": "parquet_files",
    "pins_of": "gold_pins",
    "probe_catalog": "probing",
    "probe_engine": "probing",
    "probe_warehouse": "probing",
    "roots_read": "gold_stale",
    "run_sql": "sql",
    "stale": "gold_stale",
    "tables_read": "sql_text",
    "watermark": "gold_stale",
    "within": "pinned_source",
    "write_private_catalog": "private_catalog",
}

__all__ = [
    "AnyOf",
    "BaseMoved",
    "Between",
    "Built",
    "Changes",
    "ColumnStatistics",
    "Commit",
    "DataFile",
    "FileDifference",
    "FileFigures",
    "Lakehouse",
    "OneOf",
    "Piece",
    "Pin",
    "Positions",
    "Predicate",
    "Source",
    "SqlResult",
    "TableState",
    "TableStatistics",
    "Tally",
    "TimeRange",
    "added_column",
    "below_a_root",
    "build",
    "column_lineage",
    "contract_problems",
    "declared_type",
    "import_parquet",
    "make_table",
    "not_deterministic",
    "parquet_source",
    "pins_of",
    "probe_catalog",
    "probe_engine",
    "probe_warehouse",
    "roots_read",
    "run_sql",
    "stale",
    "tables_read",
    "watermark",
    "within",
    "write_private_catalog",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
