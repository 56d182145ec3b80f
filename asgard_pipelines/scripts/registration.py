"""What becomes of a model that a script logged: a version in the registry, or the reason why not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import sha256

from asgard_pipelines.errors import AsgardError
from asgard_pipelines.models import JobTracking, ModelRegistry, ModelVersion, Registration
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import ScriptJob
from asgard_pipelines.training import take_over


@dataclass(frozen=True)
class Outcome:
    """One of the two."""

    version: ModelVersion | None
    reason: str | None


def register_logged_model(settings: Settings, job: ScriptJob, tracking: JobTracking) -> Outcome:
    """Registers the last model that the script logged, when it has a name and can be read safely. The first
    version of a name is its champion; a later one is so when somebody promotes it."""
    models = list(tracking.models)
    if not models:
        return Outcome(None, "The script logged no model.")
    if job.model_name is None:
        return Outcome(None, "The upload gave no model_name.")
    try:
        return Outcome(_registered(settings, job, job.model_name, tracking, models[-1]), None)
    except AsgardError as error:
        return Outcome(None, error.message)


def _registered(
    settings: Settings, job: ScriptJob, name: str, tracking: JobTracking, model_id: str
) -> ModelVersion:
    fitted = take_over(tracking.artefacts.files(model_id))
    signature = fitted.signature
    files = {**fitted.files(), "importances.json": b"{}"}
    run = tracking.models[model_id] or tracking.runs[0]
    registry = ModelRegistry(settings)
    version = registry.register(
        Registration(
            model=name,
            key=sha256(f"{job.job_id} {model_id}".encode()).hexdigest()[:32],
            candidate="script",
            framework=signature.framework,
            model_type=signature.model_type,
            files=files,
            training_table="",
            training_snapshot_id=0,
            sources={},
            roots={},
            content_hash="",
            params={"estimator": signature.estimator},
            metrics=_finite(tracking.metrics(run)),
            inputs={one.name: one.kind for one in signature.inputs},
            tags={
                "estimator": signature.estimator,
                "asgard.script_job": job.job_id,
                "asgard.script_run": run,
            },
            description=f"Logged by {job.script_name}, which {job.principal} uploaded.",
            started=job.started_at,
        )
    )
    if registry.champion(name) is None:
        return registry.promote(version)
    return version


def _finite(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if math.isfinite(value)}
