"""Predictions as the API shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from asgard_pipelines.api.house import House
from asgard_pipelines.api.model_answers import warnings_on
from asgard_pipelines.settings import CATALOG

if TYPE_CHECKING:
    from asgard_pipelines.predictions import OnlineResult

LOW_COVERAGE = 0.5
"""Below this share of rows found, a view's features are mostly nulls."""


class BatchPrediction(BaseModel):
    """One publication in a prediction table.

    `feature_coverage`: view -> share of the rows for which it had features within its TTL.
    """

    prediction_id: str
    model_id: str
    model_version: str
    mode: Literal["batch"] = "batch"
    input_table: str | None
    output_table: str
    num_predictions: int
    created_at: datetime
    execution_time_seconds: float
    status: Literal["completed"] = "completed"
    feature_coverage: dict[str, float]
    warnings: list[str]


class RunningPrediction(BaseModel):
    """A publication that is still at work, or that failed: then `run_id` says why."""

    prediction_id: str
    mode: Literal["batch"] = "batch"
    status: Literal["queued", "running", "failed", "cancelled"]
    run_id: str


class OnlineAnswer(BaseModel):
    """`prediction`: of two classes the probability of the positive one, of more the class, of a regression
    the value. `predicted_label` is the class. `features` are the values that were used; `feature_status` says
    of entities whether each view had them: found, missing or expired (its TTL has passed)."""

    model_id: str
    model_name: str
    model_version: str
    mode: Literal["online"] = "online"
    prediction: Any
    predicted_label: Any
    probabilities: dict[str, float] | None
    features: dict[str, Any]
    feature_status: dict[str, str] | None
    warnings: list[str]
    """What is deprecated: the model, or a view that it learned from."""
    created_at: datetime


class InferenceAnswer(BaseModel):
    """One entry for each row that was sent, in their order; what they mean, `OnlineAnswer` says.

    `predictions` has null where no view had features of the entities: `feature_status` says why.
    """

    model_name: str
    model_id: str
    model_version: str
    mode: Literal["online"] = "online"
    predictions: list[Any]
    predicted_labels: list[Any]
    probabilities: list[dict[str, float] | None]
    features: list[dict[str, Any]]
    feature_status: list[dict[str, str]] | None
    num_predictions: int
    """Those that are not null."""
    warnings: list[str]
    """What is deprecated: the model, or a view that it learned from."""
    created_at: datetime


def online_answer(house: House, made: OnlineResult) -> OnlineAnswer:
    """Of the one row."""
    (row,) = made.rows
    return OnlineAnswer(
        model_id=made.version.model_id,
        model_name=made.version.model,
        model_version=made.version.version,
        prediction=row.prediction,
        predicted_label=row.label,
        probabilities=row.probabilities,
        features=row.features,
        feature_status=row.status,
        warnings=warnings_on(house.declarations, made.version.model),
        created_at=datetime.now(UTC),
    )


def inference_answer(house: House, made: OnlineResult) -> InferenceAnswer:
    status = [row.status for row in made.rows if row.status is not None]
    return InferenceAnswer(
        model_name=made.version.model,
        model_id=made.version.model_id,
        model_version=made.version.version,
        predictions=[row.prediction for row in made.rows],
        predicted_labels=[row.label for row in made.rows],
        probabilities=[row.probabilities for row in made.rows],
        features=[row.features for row in made.rows],
        feature_status=status or None,
        num_predictions=sum(row.made for row in made.rows),
        warnings=warnings_on(house.declarations, made.version.model),
        created_at=datetime.now(UTC),
    )


def find_batch(house: House, table: str, prediction_id: str) -> BatchPrediction | None:
    """The publication, as long as the table remembers it."""
    from asgard_pipelines.predictions import find_published

    found = find_published(house.lakehouse, table, prediction_id)
    if found is None:
        return None
    published, pin = found
    ended = house.lakehouse.committed_at(pin) or published.predicted_at
    return BatchPrediction(
        prediction_id=published.prediction_id,
        model_id=published.model_id,
        model_version=published.model_version,
        input_table=f"{CATALOG}.{published.input_table}" if published.input_table else None,
        output_table=f"{CATALOG}.{published.table}",
        num_predictions=published.rows,
        created_at=published.predicted_at,
        execution_time_seconds=round(max((ended - published.predicted_at).total_seconds(), 0.0), 3),
        feature_coverage=published.feature_coverage,
        warnings=warnings_on(
            house.declarations, published.model_id.removesuffix(f"_{published.model_version}")
        )
        + [
            f"'{view}' had features within its TTL for {share:.1%} of the rows: others were scored without."
            for view, share in published.feature_coverage.items()
            if share < LOW_COVERAGE
        ],
    )
