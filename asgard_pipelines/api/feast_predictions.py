"""`/feast/predictions`: tables scored in runs of the graph, and single rows scored at once."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from fastapi import APIRouter, BackgroundTasks, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, model_validator
from starlette.concurrency import run_in_threadpool

from asgard_pipelines.api import asked_runs
from asgard_pipelines.api.access import bearer, needs
from asgard_pipelines.api.asked_runs import Wait, WaitSeconds
from asgard_pipelines.api.house import House
from asgard_pipelines.api.prediction_answers import (
    BatchPrediction,
    OnlineAnswer,
    RunningPrediction,
    find_batch,
    online_answer,
)
from asgard_pipelines.api.prediction_requests import ask_prediction, end_prediction, show_prediction
from asgard_pipelines.declarations import PredictionBody, Record
from asgard_pipelines.errors import NotFound

router = APIRouter(prefix="/feast/predictions", tags=["predictions"], dependencies=[Depends(bearer)])
Reader = Annotated[str, Depends(needs("predict"))]
Predictor = Annotated[str, Depends(needs("predict", changes=True))]
Value = bool | int | float | str | None


class OnlineBody(Record):
    """Either the features themselves, or the entities whose features are in the online store."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"model_id": "churn", "features": {"total_orders": 3, "total_spent": 41.5}}]
        }
    )

    model_id: str
    """A version's id, a model's name (its champion) or `name@alias`."""
    features: dict[str, Value] | None = None
    entities: dict[str, Value] | None = None
    """Entity or join key -> value."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.features is None) == (self.entities is None):
            raise ValueError("give either `features` or `entities`")
        return self


class EndedPrediction(BaseModel):
    name: str
    status: Literal["deleted"] = "deleted"


@router.post(
    "/batch", status_code=201, responses={200: {"model": BatchPrediction}, 202: {"model": RunningPrediction}}
)
async def predict_batch(
    body: PredictionBody,
    request: Request,
    response: Response,
    author: Predictor,
    wait: Wait = True,
    wait_seconds: WaitSeconds = asked_runs.WAIT_SECONDS,
) -> BatchPrediction | RunningPrediction:
    """Declare a prediction table and publish it, in an ordinary run of the graph. It is kept up to date
    from then on. The same `prediction_id` or Idempotency-Key again answers 200 with the first result."""
    house: House = request.app.state.house
    key = request.scope.get("request_key")
    asked = await run_in_threadpool(ask_prediction, house, body, author, key)
    if asked.run is not None:
        state = await asked_runs.completed(house, asked.run, wait_seconds if wait else 0)
        if state is None:
            asked_runs.running(response, asked.run.run_id)
            return RunningPrediction(
                prediction_id=asked.prediction_id, status="running", run_id=asked.run.run_id
            )
    response.status_code = 201 if asked.run else 200
    found = await run_in_threadpool(find_batch, house, asked.table, asked.prediction_id)
    if found is None:
        raise NotFound(f"'{asked.table}' no longer remembers '{asked.prediction_id}'.")
    return found


@router.post("/online")
def predict_online(body: OnlineBody, request: Request, _: Reader) -> OnlineAnswer:
    """Predict one row at once, from features that are sent, or from those of entities in the online store."""
    house: House = request.app.state.house
    if body.features is not None:
        made = house.online.of_features(body.model_id, [body.features])
    else:
        made = house.online.of_entities(body.model_id, [body.entities or {}], house.declarations)
    return online_answer(house, made)


@router.get("/{prediction_id}")
def get_prediction(prediction_id: str, request: Request, _: Reader) -> BatchPrediction | RunningPrediction:
    """One publication, by its id."""
    return show_prediction(request.app.state.house, prediction_id)


@router.delete("/{name}")
def delete_prediction(
    name: str, request: Request, tasks: BackgroundTasks, author: Predictor
) -> EndedPrediction:
    """End a prediction table that was made over REST, by its name: it is kept up to date no more. Its rows
    stay."""
    house: House = request.app.state.house
    end_prediction(house, name, author)
    tasks.add_task(house.reload)
    return EndedPrediction(name=name)
