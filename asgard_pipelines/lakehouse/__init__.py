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
    from asgard_pipelines.lakehouse.commits import BaseMoved, Commit
    from asgard_pipelines.lakehouse.gold import Built, build
    from asgard_pipelines.lakehouse.gold_contract import contract_problems
    from asgard_pipelines.lakehouse.gold_pins import pins_of
    from asgard_pipelines.lakehouse.gold_stale import roots_read, stale, watermark
    from asgard_pipelines.lakehouse.lakehouse import Lakehouse
    from asgard_pipelines.lakehouse.pins import AnyOf, OneOf, Pin, Predicate, TimeRange
    from asgard_pipelines.lakehouse.sql import SqlResult, run_sql
    from asgard_pipelines.lakehouse.sql_text import column_lineage, not_deterministic, tables_read

_HOMES = {
    "AnyOf": "pins",
    "BaseMoved": "commits",
    "Built": "gold",
    "Changes": "changes",
    "Commit": "commits",
    "Lakehouse": "lakehouse",
    "OneOf": "pins",
    "Pin": "pins",
    "Predicate": "pins",
    "SqlResult": "sql",
    "TableState": "catalog",
    "TimeRange": "pins",
    "build": "gold",
    "column_lineage": "sql_text",
    "contract_problems": "gold_contract",
    "not_deterministic": "sql_text",
    "pins_of": "gold_pins",
    "roots_read": "gold_stale",
    "run_sql": "sql",
    "stale": "gold_stale",
    "tables_read": "sql_text",
    "watermark": "gold_stale",
}

__all__ = [
    "AnyOf",
    "BaseMoved",
    "Built",
    "Changes",
    "Commit",
    "Lakehouse",
    "OneOf",
    "Pin",
    "Predicate",
    "SqlResult",
    "TableState",
    "TimeRange",
    "build",
    "column_lineage",
    "contract_problems",
    "not_deterministic",
    "pins_of",
    "roots_read",
    "run_sql",
    "stale",
    "tables_read",
    "watermark",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
