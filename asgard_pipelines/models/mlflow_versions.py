"""MLflow's versions, read as ours: whoever can write to MLflow can write anything there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion as MlflowVersion

from asgard_pipelines.errors import Untrusted
from asgard_pipelines.models.version import READ_FROM_TAGS, VERSION_TAG, ModelVersion


def model_version(found: MlflowVersion, aliases: Mapping[str, int], run: Run | None) -> ModelVersion:
    """The version as Asgard registered it.

    Raises:
        Untrusted: it was not registered so, or its record was altered since.
    """
    tags = dict(found.tags)
    named = f"{found.name}_{tags[VERSION_TAG]}" if VERSION_TAG in tags else f"{found.name}@{found.version}"
    timed = run is not None and run.info.end_time is not None
    try:
        version = ModelVersion(
            model=found.name,
            version=tags[VERSION_TAG],
            number=int(found.version),
            candidate=tags["candidate"],
            framework=tags["framework"],
            model_type=tags["model_type"],
            aliases=sorted(alias for alias, number in aliases.items() if number == int(found.version)),
            metrics=dict(run.data.metrics) if run else {},
            tags=tags,
            created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
            run_id=found.run_id,
            training_seconds=(run.info.end_time - run.info.start_time) / 1000 if run and timed else None,
        )
        for read in READ_FROM_TAGS:
            getattr(version, read)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Untrusted(
            f"{named}: what MLflow records of it is not what Asgard wrote. Promote another version.",
            model_id=named,
            cause=type(error).__name__,
        ) from error
    return version
