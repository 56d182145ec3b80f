"""What stands in the house now: the document behind `asgard status` and the demo's last page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgard_pipelines.declarations import Declarations
    from asgard_pipelines.lakehouse import Lakehouse, TableState
    from asgard_pipelines.models import ModelVersion
    from asgard_pipelines.settings import Settings

LAST_DECISIONS = 20


def house_state(settings: Settings, declarations: Declarations) -> dict[str, Any]:
    """Tables, views, models (every version, newest first), predictions, checks, last decisions.

    Snapshot ids are whole numbers, times ISO 8601 in UTC.
    """
    from asgard_pipelines.graph import check_results
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.models import ModelRegistry
    from asgard_pipelines.state import last_decisions

    lakehouse = Lakehouse(settings)
    versions = ModelRegistry(settings).versions()
    kinds = {version.training_table: "training_set" for version in versions}
    kinds |= {prediction.table: "prediction" for prediction in declarations.predictions}
    kinds |= {table.table: "external" if table.external else "built" for table in declarations.gold}
    return {
        "tables": [
            _table(lakehouse, declarations, state, kinds.get(state.table, "other"))
            for state in lakehouse.tables()
        ],
        "views": _views(declarations),
        "models": [_version(version) for version in versions],
        "predictions": _predictions(lakehouse, declarations),
        "checks": [result.model_dump(mode="json") for result in check_results(settings, declarations)],
        "decisions": [d.model_dump(mode="json") for d in last_decisions(settings, LAST_DECISIONS)],
    }


def _table(lakehouse: Lakehouse, declarations: Declarations, state: TableState, kind: str) -> dict[str, Any]:
    from asgard_pipelines.lakehouse import watermark

    declared = declarations.gold_by_table.get(state.table)
    mark = newest = None
    if declared and state.snapshot_id is not None:
        if declared.external:
            mark = watermark(lakehouse, declared, state.pin)
        if declared.timestamp in state.columns:
            newest = lakehouse.newest(state.pin, declared.timestamp)
    return {
        "name": state.table,
        "kind": kind,
        "snapshot": state.snapshot_id,
        "rows": state.rows,
        "watermark": mark,
        "newest": newest,
        "updated": state.updated_at,
        "columns": state.columns,
    }


def _views(declarations: Declarations) -> list[dict[str, Any]]:
    views: list[dict[str, Any]] = [
        {
            "name": view.name,
            "kind": "feature_view",
            "table": view.table,
            "entities": view.entities,
            "features": view.feature_names,
            "ttl_seconds": view.ttl,
            "online": view.online,
        }
        for view in declarations.views
    ]
    on_demand = [
        {
            "name": view.name,
            "kind": "on_demand_view",
            "sources": view.sources,
            "features": [feature.name for feature in view.features],
        }
        for view in declarations.on_demand_views
    ]
    return views + on_demand


def _version(version: ModelVersion) -> dict[str, Any]:
    return {
        "name": version.model,
        "version": version.version,
        "model_id": version.model_id,
        "mlflow_version": version.number,
        "candidate": version.candidate,
        "framework": version.framework,
        "model_type": version.model_type,
        "aliases": version.aliases,
        "metrics": version.metrics,
        "training_table": version.training_table,
        "training_snapshot": version.training_snapshot_id,
        "training_snapshots": {version.training_table: version.training_snapshot_id, **version.sources},
        "created": version.created_at,
        "mlflow_run": version.run_id,
    }


def _predictions(lakehouse: Lakehouse, declarations: Declarations) -> list[dict[str, Any]]:
    from asgard_pipelines.predictions import last_published

    found = []
    for prediction in declarations.predictions:
        published = last_published(lakehouse, prediction)
        state = lakehouse.state(prediction.table) if published else None
        found.append(
            {
                "name": prediction.name,
                "table": prediction.table,
                "model": prediction.model_id,
                "model_version": published.model_version if published else None,
                "prediction_id": published.prediction_id if published else None,
                "rows": state.rows if state else 0,
                "snapshot": state.snapshot_id if state else None,
                "last_rows": published.rows if published else 0,
                "last_times": published.instants if published else None,
                "predicted_at": published.predicted_at if published else None,
            }
        )
    return found


def ago(moment: datetime | str) -> str:
    """How long since `moment`, in the largest unit."""
    then = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    seconds = (datetime.now(UTC) - then).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"
