"""The calls of MLflow's REST protocol that a script may make; that all they name is its own is settled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from mlflow.entities import (
    DatasetInput,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
    Metric,
    Param,
    RunStatus,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException
from mlflow.protos import service_pb2 as rest
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST

from asgard_pipelines.models.job_tracking import JOB_TAG, JobTracking, refusal

Call: TypeAlias = tuple[Callable[[], Any], Callable[[JobTracking, Any], Any]]


def _get_experiment_by_name(job: JobTracking, asked: Any) -> Any:
    if asked.experiment_name != job.experiment:
        raise MlflowException(f"This script's experiment is '{job.experiment}'", RESOURCE_DOES_NOT_EXIST)
    return _get_experiment(job, asked, rest.GetExperimentByName.Response())


def _get_experiment(job: JobTracking, _: Any, response: Any = None) -> Any:
    response = response or rest.GetExperiment.Response()
    response.experiment.MergeFrom(job.store.get_experiment(job.experiment_id).to_proto())
    response.experiment.artifact_location = "mlflow-artifacts:/"
    return response


def _create_experiment(job: JobTracking, asked: Any) -> Any:
    if asked.name == job.experiment:
        raise MlflowException(f"Experiment '{asked.name}' exists", RESOURCE_ALREADY_EXISTS)
    raise refusal(f"this script's experiment is '{job.experiment}', as the upload said")


def _create_run(job: JobTracking, asked: Any) -> Any:
    job.room_for("run")
    run = job.store.create_run(
        experiment_id=job.experiment_id,
        user_id="script",
        start_time=asked.start_time,
        tags=[*(RunTag(tag.key, tag.value) for tag in asked.tags), RunTag(JOB_TAG, job.job_id)],
        run_name=asked.run_name,
    )
    job.began(run.info.run_id)
    return _with_run(rest.CreateRun.Response(), run)


def _update_run(job: JobTracking, asked: Any) -> Any:
    run_id = job.own_run(asked.run_id or asked.run_uuid)
    status = RunStatus.from_string(rest.RunStatus.Name(asked.status)) if asked.HasField("status") else None
    info = job.store.update_run_info(
        run_id,
        status,
        asked.end_time if asked.HasField("end_time") else None,
        asked.run_name if asked.HasField("run_name") else None,
    )
    response = rest.UpdateRun.Response()
    response.run_info.MergeFrom(info.to_proto())
    response.run_info.artifact_uri = f"mlflow-artifacts:/runs/{run_id}"
    return response


def _get_run(job: JobTracking, asked: Any) -> Any:
    return _with_run(rest.GetRun.Response(), job.store.get_run(job.own_run(asked.run_id or asked.run_uuid)))


def _search_runs(job: JobTracking, asked: Any) -> Any:
    if list(asked.experiment_ids) != [job.experiment_id]:
        raise refusal(f"this script's experiment is '{job.experiment}'")
    found = job.store.search_runs(
        [job.experiment_id],
        asked.filter,
        ViewType.ACTIVE_ONLY,
        min(asked.max_results or 1000, 1000),
        list(asked.order_by),
        asked.page_token or None,
    )
    response = rest.SearchRuns.Response(next_page_token=found.token)
    for run in found:
        if run.info.run_id in job.runs:
            response.runs.add().MergeFrom(_with_run(rest.GetRun.Response(), run).run)
    return response


def _with_run(response: Any, run: Any) -> Any:
    """Where its files are is nobody's business inside: they are put and read by way of here."""
    response.run.MergeFrom(run.to_proto())
    response.run.info.artifact_uri = f"mlflow-artifacts:/runs/{run.info.run_id}"
    return response


def _log_metric(job: JobTracking, asked: Any) -> Any:
    metric = Metric(asked.key, asked.value, asked.timestamp, asked.step)
    job.store.log_metric(job.own_run(asked.run_id or asked.run_uuid), metric)
    return rest.LogMetric.Response()


def _log_param(job: JobTracking, asked: Any) -> Any:
    job.store.log_param(job.own_run(asked.run_id or asked.run_uuid), Param(asked.key, asked.value))
    return rest.LogParam.Response()


def _set_tag(job: JobTracking, asked: Any) -> Any:
    job.own_tag(asked.key, asked.value)
    job.store.set_tag(job.own_run(asked.run_id or asked.run_uuid), RunTag(asked.key, asked.value))
    return rest.SetTag.Response()


def _log_batch(job: JobTracking, asked: Any) -> Any:
    for metric in asked.metrics:
        if metric.model_id:
            job.own_model(metric.model_id)
    job.store.log_batch(
        job.own_run(asked.run_id),
        [Metric.from_proto(one) for one in asked.metrics],
        [Param.from_proto(one) for one in asked.params],
        [RunTag.from_proto(one) for one in asked.tags],
    )
    return rest.LogBatch.Response()


def _log_inputs(job: JobTracking, asked: Any) -> Any:
    for model in asked.models:
        job.own_model(model.model_id)
    models = [LoggedModelInput.from_proto(one) for one in asked.models] or None
    datasets = [DatasetInput.from_proto(one) for one in asked.datasets]
    job.store.log_inputs(job.own_run(asked.run_id), datasets, models)
    return rest.LogInputs.Response()


def _log_outputs(job: JobTracking, asked: Any) -> Any:
    for model in asked.models:
        job.own_model(model.model_id)
    outputs = [LoggedModelOutput.from_proto(one) for one in asked.models]
    job.store.log_outputs(job.own_run(asked.run_id), outputs)
    return rest.LogOutputs.Response()


def _metric_history(job: JobTracking, asked: Any) -> Any:
    found = job.store.get_metric_history(job.own_run(asked.run_id or asked.run_uuid), asked.metric_key)
    return rest.GetMetricHistory.Response(metrics=[one.to_proto() for one in found])


def _create_model(job: JobTracking, asked: Any) -> Any:
    job.room_for("model")
    model = job.store.create_logged_model(
        experiment_id=job.experiment_id,
        name=asked.name or None,
        source_run_id=asked.source_run_id or None,
        tags=[LoggedModelTag(tag.key, tag.value) for tag in asked.tags],
        params=[LoggedModelParameter(one.key, one.value) for one in asked.params],
        model_type=asked.model_type or None,
    )
    job.models[model.model_id] = asked.source_run_id or None
    return _with_model(rest.CreateLoggedModel.Response(), model)


def _get_model(job: JobTracking, asked: Any) -> Any:
    return _with_model(
        rest.GetLoggedModel.Response(), job.store.get_logged_model(job.own_model(asked.model_id))
    )


def _finalize_model(job: JobTracking, asked: Any) -> Any:
    status = LoggedModelStatus.from_int(asked.status)
    model = job.store.finalize_logged_model(job.own_model(asked.model_id), status)
    return _with_model(rest.FinalizeLoggedModel.Response(), model)


def _tag_model(job: JobTracking, asked: Any) -> Any:
    tags = [LoggedModelTag(tag.key, tag.value) for tag in asked.tags]
    job.store.set_logged_model_tags(job.own_model(asked.model_id), tags)
    return rest.SetLoggedModelTags.Response()


def _model_params(job: JobTracking, asked: Any) -> Any:
    params = [LoggedModelParameter(one.key, one.value) for one in asked.params]
    job.store.log_logged_model_params(job.own_model(asked.model_id), params)
    return rest.LogLoggedModelParamsRequest.Response()


def _with_model(response: Any, model: Any) -> Any:
    response.model.MergeFrom(model.to_proto())
    response.model.info.artifact_uri = f"mlflow-artifacts:/models/{model.model_id}"
    return response


CALLS: dict[tuple[str, str], Call] = {
    ("GET", "experiments/get-by-name"): (rest.GetExperimentByName, _get_experiment_by_name),
    ("GET", "experiments/get"): (rest.GetExperiment, _get_experiment),
    ("POST", "experiments/create"): (rest.CreateExperiment, _create_experiment),
    ("POST", "runs/create"): (rest.CreateRun, _create_run),
    ("POST", "runs/update"): (rest.UpdateRun, _update_run),
    ("GET", "runs/get"): (rest.GetRun, _get_run),
    ("POST", "runs/search"): (rest.SearchRuns, _search_runs),
    ("POST", "runs/log-metric"): (rest.LogMetric, _log_metric),
    ("POST", "runs/log-parameter"): (rest.LogParam, _log_param),
    ("POST", "runs/set-tag"): (rest.SetTag, _set_tag),
    ("POST", "runs/log-batch"): (rest.LogBatch, _log_batch),
    ("POST", "runs/log-inputs"): (rest.LogInputs, _log_inputs),
    ("POST", "runs/outputs"): (rest.LogOutputs, _log_outputs),
    ("GET", "metrics/get-history"): (rest.GetMetricHistory, _metric_history),
    ("POST", "logged-models"): (rest.CreateLoggedModel, _create_model),
    ("GET", "logged-models/{model_id}"): (rest.GetLoggedModel, _get_model),
    ("PATCH", "logged-models/{model_id}"): (rest.FinalizeLoggedModel, _finalize_model),
    ("PATCH", "logged-models/{model_id}/tags"): (rest.SetLoggedModelTags, _tag_model),
    ("POST", "logged-models/{model_id}/params"): (rest.LogLoggedModelParamsRequest, _model_params),
}
