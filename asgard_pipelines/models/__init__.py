"""Versions of trained models: their records, aliases and artefact bytes, kept in MLflow.

The only room that imports MLflow; importing the room itself does not.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgard_pipelines.models.job_requests import JobRequests, Reply
    from asgard_pipelines.models.job_tracking import JobTracking
    from asgard_pipelines.models.registration import Registration
    from asgard_pipelines.models.registry import ModelRegistry
    from asgard_pipelines.models.version import CHAMPION, ModelVersion

# MLflow reads these while it is imported, and no module of this room is imported before this one.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

_EXPORTS = {
    "CHAMPION": "asgard_pipelines.models.version",
    "JobRequests": "asgard_pipelines.models.job_requests",
    "JobTracking": "asgard_pipelines.models.job_tracking",
    "ModelRegistry": "asgard_pipelines.models.registry",
    "ModelVersion": "asgard_pipelines.models.version",
    "Registration": "asgard_pipelines.models.registration",
    "Reply": "asgard_pipelines.models.job_requests",
}

__all__ = ["CHAMPION", "JobRequests", "JobTracking", "ModelRegistry", "ModelVersion", "Registration", "Reply"]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
