"""What the checks said last, as anyone may read it."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg

from asgard_pipelines.declarations import Declarations, Record
from asgard_pipelines.graph.assembly import definitions
from asgard_pipelines.graph.instance import open_instance
from asgard_pipelines.settings import Settings


class CheckResult(Record):
    """The last evaluation of one check; `passed` is None before the first one."""

    asset: str
    check: str
    passed: bool | None
    severity: str
    description: str
    at: datetime | None


def check_results(settings: Settings, declarations: Declarations) -> list[CheckResult]:
    """Every check of the graph with its last evaluation, sorted by asset and name."""
    keys = sorted(definitions(declarations).resolve_asset_graph().asset_check_keys)
    with open_instance(settings) as instance:
        latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    results = []
    for key in keys:
        record = latest.get(key)
        evaluation = record.evaluation if record else None
        if not isinstance(evaluation, dg.AssetCheckEvaluation):  # None, or planned by a run under way
            evaluation = None
        results.append(
            CheckResult(
                asset=key.asset_key.to_user_string(),
                check=key.name,
                passed=evaluation.passed if evaluation else None,
                severity=evaluation.severity.value if evaluation else "",
                description=(evaluation.description or "") if evaluation else "not evaluated yet",
                at=datetime.fromtimestamp(record.create_timestamp, UTC) if record and evaluation else None,
            )
        )
    return results
