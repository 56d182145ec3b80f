"""What is done for a request about predictions."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from asgard_pipelines.api.asked_runs import AskedRun, Declaring, once_loaded
from asgard_pipelines.api.house import House
from asgard_pipelines.api.prediction_answers import BatchPrediction, RunningPrediction, find_batch
from asgard_pipelines.declarations import Declarations, Prediction, PredictionBody, fingerprint
from asgard_pipelines.errors import Conflict, NotFound


@dataclass(frozen=True)
class AskedPrediction:
    """`run` publishes it; None where it was published before."""

    table: str
    prediction_id: str
    run: AskedRun | None


def ask_prediction(
    house: House, body: PredictionBody, author: str, request_key: str | None
) -> AskedPrediction:
    """Declares the prediction table and asks for its publication.

    Args:
        request_key: the same for every try of a request.

    Raises:
        BackendUnavailable: Dagster does not run; nothing was changed.
        ModelNotFound
        Conflict: the id is another prediction's, the output another table, or the version deprecated.
    """
    from asgard_pipelines.project import settle_prediction

    version = house.registry.find(body.model_id)
    if version.deprecated:
        raise Conflict(f"'{version.model_id}' is deprecated.", model_id=version.model_id)
    named = body.prediction_id or (f"pred_{request_key[:24]}" if request_key else None)
    settled = settle_prediction(body, house.declarations, house.lakehouse)
    begun = _begun(house, settled, body, author, named) if named else None
    if begun is not None:
        return begun
    house.runs.require_running()
    prediction_id = named or f"pred_{uuid4().hex[:24]}"
    declaring = _declared(house, settled, body, author)
    declarations = house.declarations
    prediction = declarations.prediction(settled.name)
    run_id = once_loaded(
        house, declaring, lambda: house.runs.predict(declarations, prediction, prediction_id, author)
    )
    return AskedPrediction(prediction.table, prediction_id, AskedRun(run_id, declaring))


def _begun(
    house: House, prediction: Prediction, body: PredictionBody, author: str, prediction_id: str
) -> AskedPrediction | None:
    """What an earlier try has published, or is at work on.

    Raises:
        Conflict: the id came with another body.
    """
    from asgard_pipelines.project import standing

    run = house.runs.prediction_run(prediction_id)
    done = find_batch(house, prediction.table, prediction_id) is not None
    if not done and (run is None or (run.ended and run.status != "completed")):
        return None
    made = standing(house.settings, "prediction", prediction.name)
    if made is None or made.sent != _sent(body):
        raise Conflict(
            f"'{prediction_id}' is the id of another prediction: give this one another.",
            prediction_id=prediction_id,
        )
    asked = None if done or run is None else AskedRun(run.run_id, Declaring(made, False, author, proven=True))
    return AskedPrediction(prediction.table, prediction_id, asked)


def _declared(house: House, prediction: Prediction, body: PredictionBody, author: str) -> Declaring:
    """The prediction table takes the place of what the API declared under its name before."""
    from asgard_pipelines.predictions import last_published
    from asgard_pipelines.project import Wanted, put, standing

    with house.declaring():
        before = standing(house.settings, "prediction", prediction.name)
        if before is None:
            _free(house.declarations, prediction.name)
        wanted = Wanted("prediction", prediction, _sent(body))
        made, changed = put(house.settings, [wanted], author, replace=True)
    last = last_published(house.lakehouse, prediction)
    proven = last is not None and last.declaration == fingerprint(prediction)
    return Declaring(made[0], changed, author, proven)


def _sent(body: PredictionBody) -> dict[str, object]:
    return body.model_dump(mode="json", exclude={"prediction_id"}, exclude_defaults=True)


def _free(declarations: Declarations, name: str) -> None:
    for prediction in declarations.predictions:
        if prediction.name == name:
            raise Conflict(
                f"Prediction table '{name}' is declared in {prediction.where.file}: change it there, or name "
                "another `output_table`.",
                name=name,
            )


def show_prediction(house: House, prediction_id: str) -> BatchPrediction | RunningPrediction:
    """Raises NotFound."""
    tables = {prediction.table for prediction in house.declarations.predictions}
    run = house.runs.prediction_run(prediction_id)
    for table in sorted(tables):
        found = find_batch(house, table, prediction_id)
        if found is not None:
            return found
    if run is None or run.status == "completed":
        raise NotFound(f"Prediction '{prediction_id}' not found.", prediction_id=prediction_id)
    return RunningPrediction(prediction_id=prediction_id, status=run.status, run_id=run.run_id)


def end_prediction(house: House, name: str, author: str) -> None:
    """Raises DeclarationNotFound."""
    from asgard_pipelines.project import remove

    with house.declaring():
        remove(house.settings, "prediction", name, author)
