"""One MLflow experiment per model, one MLflow run per training."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, ViewType
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from asgard_pipelines.models.registration import MODEL_FOLDER, PICTURE_FOLDER, Registration
from asgard_pipelines.models.tracking import every
from asgard_pipelines.models.version import KEY_TAG, VERSION_TAG

_MODEL_DEVELOPMENT = {"mlflow.experimentKind": "custom_model_development"}
"""Without it MLflow's pages open on traces, of which there are none."""
_MLFLOW_TYPES = {
    "numeric": DataType.double,
    "bool": DataType.boolean,
    "string": DataType.string,
    "timestamp": DataType.datetime,
}


def experiment(client: MlflowClient, model: str, artefact_root: str) -> str:
    """The id of the model's experiment, made if missing, restored if somebody deleted it."""
    found = client.get_experiment_by_name(model)
    if found is None:
        location = f"{artefact_root}/{model}"
        return str(client.create_experiment(model, artifact_location=location, tags=_MODEL_DEVELOPMENT))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def runs(client: MlflowClient, model: str) -> list[Run]:
    """Every run of the model's experiment, deleted ones too."""
    found = client.get_experiment_by_name(model)
    if found is None:
        return []
    ids = [found.experiment_id]
    return every(
        lambda size, token: client.search_runs(
            ids, run_view_type=ViewType.ALL, max_results=size, page_token=token
        )
    )


def start(client: MlflowClient, experiment_id: str, registration: Registration, version: str) -> Run:
    return client.create_run(
        experiment_id,
        start_time=None if registration.started is None else int(registration.started.timestamp() * 1000),
        run_name=f"{registration.candidate} {version}",
        tags={
            **registration.version_tags(version),
            "mlflow.source.name": "asgard",
            **({"mlflow.note.content": registration.description} if registration.description else {}),
        },
    )


def record(client: MlflowClient, run: Run, registration: Registration) -> None:
    """Log all of `registration` to its run and finish it. Doing it twice changes nothing."""
    run_id = run.info.run_id
    started = run.info.start_time
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, started, 0) for name, value in registration.metrics.items()],
        params=[Param(name, str(value)) for name, value in registration.params.items()],
    )
    client.log_inputs(run_id, [_training_set(registration)])
    with TemporaryDirectory() as folder:
        _write(Path(folder), run, registration)
        client.log_artifacts(run_id, folder)
    client.set_terminated(run_id)


def _training_set(registration: Registration) -> DatasetInput:
    table, snapshot = registration.training_table, registration.training_snapshot_id
    dataset = Dataset(
        name=table,
        digest=registration.content_hash[:16],
        source_type="iceberg",
        source=f'{{"table": "{table}", "snapshot_id": {snapshot}}}',
    )
    return DatasetInput(dataset=dataset, tags=[InputTag(MLFLOW_DATASET_CONTEXT, "training")])


def _write(folder: Path, run: Run, registration: Registration) -> None:
    for name, data in registration.files.items():
        _file(folder / MODEL_FOLDER / name, data)
    for name, data in registration.pictures.items():
        _file(folder / PICTURE_FOLDER / f"{name}.png", data)
    # MLflow's pages show a version's schema from this file; nothing of Asgard reads it.
    model = Model(
        artifact_path=MODEL_FOLDER,
        run_id=run.info.run_id,
        utc_time_created=run.data.tags[VERSION_TAG],
        signature=_signature(registration),
        model_uuid=run.data.tags[KEY_TAG],
    )
    model.add_flavor("asgard", framework=registration.framework, files=sorted(registration.files))
    _file(folder / MODEL_FOLDER / "MLmodel", model.to_yaml().encode())


def _signature(registration: Registration) -> ModelSignature:
    inputs = registration.inputs.items()
    return ModelSignature(
        inputs=Schema([ColSpec(_MLFLOW_TYPES[kind], name, required=False) for name, kind in inputs]),
        outputs=Schema([ColSpec(DataType.double)]),
    )


def _file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
