"""Predictions as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from asgard_pipelines.api.house import House
from asgard_pipelines.settings import CATALOG

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
    created_at: datetime


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
        warnings=[
            f"'{view}' had features within its TTL for {share:.1%} of the rows: others were scored without."
            for view, share in published.feature_coverage.items()
            if share < LOW_COVERAGE
        ],
    )
