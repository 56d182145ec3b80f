"""What is newest now: stores (SQLite, Redis, DynamoDB) in Feast's own bytes, and reads from them.

Feast itself is imported only by `GuardedOnlineStore`, which `feature_store.yaml` names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgard_pipelines.features.online.answer import FoundStatus, OnlineAnswer, Status
    from asgard_pipelines.features.online.feast_store import GuardedOnlineStore, GuardedOnlineStoreConfig
    from asgard_pipelines.features.online.opening import leave_loop, online_store
    from asgard_pipelines.features.online.prepared import PreparedRead
    from asgard_pipelines.features.online.reads import OnlineReads, OnlineRows
    from asgard_pipelines.features.online.store import OnlineStore, Written

_HOME = {
    "FoundStatus": "answer",
    "GuardedOnlineStore": "feast_store",
    "GuardedOnlineStoreConfig": "feast_store",
    "OnlineAnswer": "answer",
    "OnlineReads": "reads",
    "OnlineRows": "reads",
    "OnlineStore": "store",
    "PreparedRead": "prepared",
    "Status": "answer",
    "Written": "store",
    "leave_loop": "opening",
    "online_store": "opening",
}

__all__ = [
    "FoundStatus",
    "GuardedOnlineStore",
    "GuardedOnlineStoreConfig",
    "OnlineAnswer",
    "OnlineReads",
    "OnlineRows",
    "OnlineStore",
    "PreparedRead",
    "Status",
    "Written",
    "leave_loop",
    "online_store",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
