"""Prediction tables: scored rows published to Iceberg in one commit, named by their model version; and
single rows scored at once by models that are held in memory."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgard_pipelines.predictions.online import OnlinePrediction, OnlinePredictions, OnlineResult
    from asgard_pipelines.predictions.publication import (
        Published,
        find_published,
        last_published,
        publish,
    )

_HOME = {
    "OnlinePrediction": "online",
    "OnlinePredictions": "online",
    "OnlineResult": "online",
    "Published": "publication",
    "find_published": "publication",
    "last_published": "publication",
    "publish": "publication",
}

__all__ = [
    "OnlinePrediction",
    "OnlinePredictions",
    "OnlineResult",
    "Published",
    "find_published",
    "last_published",
    "publish",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
