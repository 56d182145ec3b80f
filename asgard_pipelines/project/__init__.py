"""Everything declared in one repo: compiled and checked together, kept by hash; and new repos."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgard_pipelines.project.cache import load
    from asgard_pipelines.project.compile import compile_repo
    from asgard_pipelines.project.scaffold import init

_HOME = {"compile_repo": "compile", "init": "scaffold", "load": "cache"}

__all__ = ["compile_repo", "init", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
