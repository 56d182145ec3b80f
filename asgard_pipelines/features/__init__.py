"""Features through Feast: the repo and its registry, the point-in-time join, the online store.

`gold` is what views in a feature repo are declared on, `pinned`, `IcebergStorage` and
`IcebergLoggingDestination` are for Feast programs; the rest serves the other rooms. Feast itself is
imported only by the modules behind these, `read_repo` and `apply`,
and by `historical_features` when an on-demand view is among the features.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgard_pipelines.features.conversion import RepoContents
    from asgard_pipelines.features.entity_frames import entity_rows
    from asgard_pipelines.features.feast_repo import read_repo
    from asgard_pipelines.features.historical import Joined, historical_features
    from asgard_pipelines.features.history import asked_history
    from asgard_pipelines.features.made_objects import made_over_rest
    from asgard_pipelines.features.offline_store.saved_rows import IcebergLoggingDestination, IcebergStorage
    from asgard_pipelines.features.online import OnlineReads, OnlineRows
    from asgard_pipelines.features.private_repo import write_private_repo
    from asgard_pipelines.features.push.flush import Flushed, HeldBack, flush_pushes
    from asgard_pipelines.features.push.pushes import PushAnswer, Pushes
    from asgard_pipelines.features.references import AskedFeature, asked_features
    from asgard_pipelines.features.registry import apply, store
    from asgard_pipelines.features.source_pins import pinned
    from asgard_pipelines.features.sources import gold

_HOME = {
    "AskedFeature": "references",
    "asked_features": "references",
    "asked_history": "history",
    "entity_rows": "entity_frames",
    "IcebergLoggingDestination": "offline_store.saved_rows",
    "IcebergStorage": "offline_store.saved_rows",
    "OnlineReads": "online",
    "OnlineRows": "online",
    "RepoContents": "conversion",
    "read_repo": "feast_repo",
    "Joined": "historical",
    "historical_features": "historical",
    "made_over_rest": "made_objects",
    "apply": "registry",
    "store": "registry",
    "Flushed": "push.flush",
    "HeldBack": "push.flush",
    "PushAnswer": "push.pushes",
    "Pushes": "push.pushes",
    "flush_pushes": "push.flush",
    "gold": "sources",
    "pinned": "source_pins",
    "write_private_repo": "private_repo",
}

__all__ = [
    "AskedFeature",
    "Flushed",
    "HeldBack",
    "IcebergLoggingDestination",
    "IcebergStorage",
    "Joined",
    "OnlineReads",
    "OnlineRows",
    "PushAnswer",
    "Pushes",
    "RepoContents",
    "apply",
    "asked_features",
    "asked_history",
    "entity_rows",
    "flush_pushes",
    "gold",
    "historical_features",
    "made_over_rest",
    "pinned",
    "read_repo",
    "store",
    "write_private_repo",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
