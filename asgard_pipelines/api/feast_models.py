"""`/feast/models`: models declared and trained, listed, promoted and rolled back."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from fastapi import APIRouter, BackgroundTasks, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, model_validator
from starlette.concurrency import run_in_threadpool

from asgard_pipelines.api import asked_runs
from asgard_pipelines.api.access import bearer, needs
from asgard_pipelines.api.asked_runs import Wait, WaitSeconds
from asgard_pipelines.api.deprecations import DeprecatedThing, DeprecationBody, deprecate_declared
from asgard_pipelines.api.house import House
from asgard_pipelines.api.model_answers import (
    ListedModel,
    RunningTraining,
    ShownModel,
    ShownVersion,
    TrainedModel,
    listed_models,
    shown_version,
    trained_model,
    warnings_on,
)
from asgard_pipelines.api.model_requests import ask_training, back, end, promote, show_model
from asgard_pipelines.declarations import ModelBody, Record

router = APIRouter(prefix="/feast/models", tags=["models"], dependencies=[Depends(bearer)])
Reader = Annotated[str, Depends(needs("features:read"))]
Trainer = Annotated[str, Depends(needs("models:train"))]
Replace = Annotated[bool, Query(description="Put this in the place of another declaration of that name.")]


class Promotion(Record):
    """The version to promote, by one of its two names."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model_id": "churn_20250101_000000"}]})

    model_id: str | None = None
    version: str | None = None
    """`YYYYmmdd_HHMMSS`."""
    alias: str = "champion"

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if (self.model_id is None) == (self.version is None):
            raise ValueError("give either `model_id` or `version`")
        return self


class EndedModel(BaseModel):
    model_id: str
    status: Literal["deleted", "deprecated"]
    """A model is deleted: its declaration ends, its versions stay. A version is deprecated."""


@router.get("")
def list_models(request: Request, _: Reader) -> list[ListedModel]:
    """Every model: the repo's and those made over REST, with their versions."""
    return listed_models(request.app.state.house)


@router.post("", status_code=201, responses={200: {"model": TrainedModel}, 202: {"model": RunningTraining}})
async def train_model(
    body: ModelBody,
    request: Request,
    response: Response,
    author: Trainer,
    replace: Replace = False,
    wait: Wait = True,
    wait_seconds: WaitSeconds = asked_runs.WAIT_SECONDS,
) -> TrainedModel | RunningTraining:
    """Declare a model and train it, in an ordinary run of the graph. It is retrained from then on, by its
    policy. The same body again trains again when something is due; else it answers 200 with the version
    that there is."""
    house: House = request.app.state.house
    asked = await run_in_threadpool(ask_training, house, body, author, replacing=replace)
    if asked.due:
        state = await asked_runs.completed(house, asked.run, wait_seconds if wait else 0)
        if state is None:
            asked_runs.running(response, asked.run.run_id)
            return RunningTraining(
                model_id=body.name,
                name=body.name,
                model_name=body.name,
                run_id=asked.run.run_id,
                warnings=warnings_on(asked.declarations, body.name),
            )
    response.status_code = 201 if asked.due else 200
    return await run_in_threadpool(trained_model, house, asked.declarations, body.name, asked.run.run_id)


@router.get("/{model_id}")
def get_model(model_id: str, request: Request, _: Reader) -> ShownModel:
    """One model by its name, or one version of it by its id or `name@alias`."""
    return show_model(request.app.state.house, model_id)


@router.delete("/{model_id}")
def delete_model(model_id: str, request: Request, tasks: BackgroundTasks, author: Trainer) -> EndedModel:
    """End a model that was made over REST, or deprecate one version. What needs it is named, and it stays
    then. Versions and what they predicted are never deleted."""
    house: House = request.app.state.house
    ended = end(house, model_id, author)
    if ended == "deleted":
        tasks.add_task(house.reload)
    return EndedModel(model_id=model_id, status=ended)


@router.post("/{name}/promote")
def promote_model(name: str, body: Promotion, request: Request, author: Trainer) -> ShownVersion:
    """Give a version the alias: as champion it predicts from now on, until an election beats it."""
    version = promote(
        request.app.state.house, name, body.model_id or f"{name}_{body.version}", body.alias, author
    )
    return shown_version(version)


@router.post("/{name}/rollback")
def roll_back_model(name: str, request: Request, author: Trainer) -> ShownVersion:
    """Make the version champion again that was it before."""
    return shown_version(back(request.app.state.house, name, author))


@router.post("/{name}/deprecate")
def deprecate_model(
    name: str, body: DeprecationBody, request: Request, tasks: BackgroundTasks, author: Trainer
) -> DeprecatedThing:
    """Let nobody new use it. Who uses it goes on, and is told. A version is deprecated by DELETE."""
    return deprecate_declared(request.app.state.house, tasks, "model", name, body, author)
