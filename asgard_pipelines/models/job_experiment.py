"""The experiment of uploaded scripts of one name: never one that a model's trainings are recorded in."""

from __future__ import annotations

from mlflow import MlflowClient

from asgard_pipelines.errors import Conflict

_SCRIPTS_TAG = "asgard.scripts"


def own_experiment(client: MlflowClient, name: str, artefact_root: str) -> str:
    """Its id; it is made if missing.

    Raises:
        Conflict: an experiment of that name was made by somebody else, or was deleted.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        location = f"{artefact_root}/scripts/{name}"
        tags = {_SCRIPTS_TAG: "true", "mlflow.experimentKind": "custom_model_development"}
        return str(client.create_experiment(name, artifact_location=location, tags=tags))
    if found.lifecycle_stage == "deleted":
        raise Conflict(
            f"Experiment '{name}' is deleted in MLflow: restore it there, or give another experiment_name.",
            experiment_name=name,
        )
    if found.tags.get(_SCRIPTS_TAG) != "true":
        raise Conflict(
            f"Experiment '{name}' is not one of scripts: models are recorded in it, or somebody made it. "
            "Give another experiment_name.",
            experiment_name=name,
        )
    return str(found.experiment_id)
