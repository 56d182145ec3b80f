"""The lakehouse: Iceberg tables at named snapshots, keyed commits, and SQL over both.

Every arrow of the lineage is a `Pin` (a table at a snapshot): reads take one, commits give one.
Nothing here knows what a feature or a model is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgard_pipelines.lakehouse.catalog import TableState
    from asgard_pipelines.lakehouse.changes import Changes
    from asgard_pipelines.lakehouse.commits import Commit
    from asgard_pipelines.lakehouse.lakehouse import Lakehouse
    from asgard_pipelines.lakehouse.pins import OneOf, Pin, Predicate, TimeRange
    from asgard_pipelines.lakehouse.sql import SqlResult, run_sql
    from asgard_pipelines.lakehouse.sql_text import column_lineage, tables_read

_HOMES = {
    "Changes": "changes",
    "Commit": "commits",
    "Lakehouse": "lakehouse",
    "OneOf": "pins",
    "Pin": "pins",
    "Predicate": "pins",
    "SqlResult": "sql",
    "TableState": "catalog",
    "TimeRange": "pins",
    "column_lineage": "sql_text",
    "run_sql": "sql",
    "tables_read": "sql_text",
}

__all__ = [
    "Changes",
    "Commit",
    "Lakehouse",
    "OneOf",
    "Pin",
    "Predicate",
    "SqlResult",
    "TableState",
    "TimeRange",
    "column_lineage",
    "run_sql",
    "tables_read",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
