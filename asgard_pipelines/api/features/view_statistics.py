"""What the values of a view are like: worked out once for each snapshot of its table."""

from __future__ import annotations

import math
from collections import OrderedDict
from datetime import UTC, date, datetime, time
from threading import Lock
from typing import Any

from asgard_pipelines.api.house import House
from asgard_pipelines.declarations import FeatureView, fingerprint
from asgard_pipelines.lakehouse import ColumnStatistics, Pin, TableStatistics
from asgard_pipelines.state import last_materialized

_MOST = 256
_held: OrderedDict[tuple[str, Pin], TableStatistics] = OrderedDict()
_lock = Lock()


def view_statistics(house: House, name: str) -> dict[str, Any]:
    """The fields of `ViewStatistics`.

    Raises:
        FeatureViewNotFound, TableNotFound, ColumnNotFound
        BackendUnavailable: the online store does not answer.
    """
    from asgard_pipelines.features.online import online_store

    declarations = house.declarations
    view = declarations.view(name)
    pin = house.lakehouse.pin(view.table)
    found = _statistics(house, view, pin)
    newest = house.lakehouse.newest(pin, view.timestamp)
    return {
        "total_entities": found.keys,
        "online_store_records": (
            online_store(house.settings, declarations.project).count(view) if view.online else 0
        ),
        "offline_store_records": found.rows,
        "last_materialization": last_materialized(house.settings).get(name),
        "freshness_seconds": max(0, int((datetime.now(UTC) - newest).total_seconds())) if newest else None,
        "feature_stats": {one.name: _shown(found.columns[one.column], one.dtype) for one in view.features},
        "snapshot_id": pin.snapshot_id,
        "exact": found.exact,
        "sampled_rows": found.sampled_rows,
    }


def _statistics(house: House, view: FeatureView, pin: Pin) -> TableStatistics:
    key = fingerprint(view), pin
    with _lock:
        if key in _held:
            _held.move_to_end(key)
            return _held[key]
    columns = [feature.column for feature in view.features]
    found = house.lakehouse.statistics(pin, columns, list(view.join_keys.values()))
    with _lock:
        _held[key] = found
        while len(_held) > _MOST:
            _held.popitem(last=False)
    return found


def _shown(column: ColumnStatistics, dtype: str) -> dict[str, Any]:
    return {
        "mean": _finite(column.mean),
        "std": _finite(column.std),
        "min": _told(column.least, dtype),
        "max": _told(column.greatest, dtype),
        "null_percentage": round(100 * column.nulls, 4),
    }


def _told(value: Any, dtype: str) -> Any:
    """In the declared type, as the feature's values are: a decimal is a number, a date its midnight."""
    if value is not None and dtype.startswith("float"):
        return _finite(float(value))
    if isinstance(value, date):
        return datetime.combine(value, value.time() if isinstance(value, datetime) else time.min, UTC)
    return value


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
