"""Uploaded scripts: what one may ask for, the sandbox in which it runs, and what is kept of it.

The only room that starts bubblewrap. Nothing that a script wrote is ever unpickled or imported here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgard_pipelines.scripts.isolation import require_isolation
    from asgard_pipelines.scripts.jobs import run_job
    from asgard_pipelines.scripts.requirements import check_requirements
    from asgard_pipelines.scripts.source import read_source

_HOMES = {
    "check_requirements": "requirements",
    "read_source": "source",
    "require_isolation": "isolation",
    "run_job": "jobs",
}

__all__ = ["check_requirements", "read_source", "require_isolation", "run_job"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
