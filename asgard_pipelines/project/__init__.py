"""Everything declared, in a repo and over REST: compiled and checked together; and new repos."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgard_pipelines.project.applied_views import AppliedSource, apply_view
    from asgard_pipelines.project.cache import load
    from asgard_pipelines.project.compile import compile_repo
    from asgard_pipelines.project.declaring import Wanted, put, remove, replaced, standing, withdraw
    from asgard_pipelines.project.declaring_features import settle_service, settle_view
    from asgard_pipelines.project.declaring_models import settle_model, settle_prediction
    from asgard_pipelines.project.deprecations import Deprecable, deprecate, restore
    from asgard_pipelines.project.ending_models import end_model
    from asgard_pipelines.project.scaffold import init
    from asgard_pipelines.project.uses import (
        deprecated_among,
        needed_by,
        used_by_model,
        used_by_service,
    )

_HOME = {
    "AppliedSource": "applied_views",
    "Wanted": "declaring",
    "apply_view": "applied_views",
    "compile_repo": "compile",
    "Deprecable": "deprecations",
    "deprecate": "deprecations",
    "deprecated_among": "uses",
    "end_model": "ending_models",
    "needed_by": "uses",
    "restore": "deprecations",
    "used_by_model": "uses",
    "used_by_service": "uses",
    "init": "scaffold",
    "load": "cache",
    "put": "declaring",
    "remove": "declaring",
    "replaced": "declaring",
    "settle_model": "declaring_models",
    "settle_prediction": "declaring_models",
    "settle_service": "declaring_features",
    "settle_view": "declaring_features",
    "standing": "declaring",
    "withdraw": "declaring",
}

__all__ = [
    "AppliedSource",
    "Deprecable",
    "Wanted",
    "apply_view",
    "compile_repo",
    "deprecate",
    "deprecated_among",
    "end_model",
    "init",
    "load",
    "needed_by",
    "put",
    "remove",
    "replaced",
    "restore",
    "settle_model",
    "settle_prediction",
    "settle_service",
    "settle_view",
    "standing",
    "used_by_model",
    "used_by_service",
    "withdraw",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
