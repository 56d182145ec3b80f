"""`/mlops/status` and `/mlops/inference`: how the platform stands, and rows predicted at once."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import APIRouter, Depends, Request
from pydantic import ConfigDict, Field, model_validator

from asgard_pipelines.api.access import bearer, needs
from asgard_pipelines.api.feast_predictions import Value
from asgard_pipelines.api.house import House
from asgard_pipelines.api.platform_state import MlopsStatus, platform_status
from asgard_pipelines.api.prediction_answers import InferenceAnswer, inference_answer
from asgard_pipelines.declarations import Record

router = APIRouter(prefix="/mlops", tags=["mlops"], dependencies=[Depends(bearer)])
MOST_ROWS = 1000
"""In one request; more are for `/feast/predictions/batch`."""
Rows = Annotated[list[dict[str, Value]], Field(min_length=1, max_length=MOST_ROWS)]


class InferenceBody(Record):
    """Rows to predict: either their features, or the entities whose features are in the online store."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model_name": "churn", "inputs": [{"total_orders": 3, "total_spent": 41.5}]},
            ]
        }
    )

    model_name: str
    model_version: str | None = None
    """`YYYYmmdd_HHMMSS`."""
    alias: str | None = None
    """In the place of a version; neither means `champion`."""
    inputs: Rows | None = None
    """Each as feature -> value."""
    entities: Rows | None = None
    """Each as entity or join key -> value."""

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.inputs is None) == (self.entities is None):
            raise ValueError("give either `inputs` or `entities`")
        if self.model_version is not None and self.alias is not None:
            raise ValueError("give either `model_version` or `alias`")
        return self

    @property
    def model_id(self) -> str:
        if self.model_version is not None:
            return f"{self.model_name}_{self.model_version}"
        return f"{self.model_name}@{self.alias or 'champion'}"


@router.get("/status")
def status(request: Request, _: Annotated[str, Depends(needs("features:read"))]) -> MlopsStatus:
    """Whether MLflow, Feast and Dagster can be used, and how much they hold."""
    return platform_status(request.app.state.house)


@router.post("/inference")
def infer(
    body: InferenceBody, request: Request, _: Annotated[str, Depends(needs("predict"))]
) -> InferenceAnswer:
    """Predict up to 1000 rows at once, with a model that is held in memory."""
    house: House = request.app.state.house
    if body.inputs is not None:
        made = house.online.of_features(body.model_id, body.inputs)
    else:
        made = house.online.of_entities(body.model_id, body.entities or [], house.declarations)
    return inference_answer(house, made)
