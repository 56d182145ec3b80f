"""`POST /api/v1/features/historical-features`: features as of each row's own time."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from asgard_pipelines.api.access import bearer, needs
from asgard_pipelines.api.features.bodies import HistoricalFeaturesBody
from asgard_pipelines.api.features.downloads import keep
from asgard_pipelines.api.house import House
from asgard_pipelines.declarations import Declarations

if TYPE_CHECKING:
    from asgard_pipelines.features import AskedFeature, Joined

router = APIRouter(prefix="/api/v1/features", tags=["feature store"], dependencies=[Depends(bearer)])
TIME = "event_timestamp"
ROWS_IN_ANSWER = 1_000


class HistoricalMetadata(BaseModel):
    """`rows_count` are all rows; `snapshots`: table -> the snapshot that was read; `coverage`: view -> the
    share of rows for which it had a row within its TTL."""

    rows_count: int
    features_count: int
    processing_time_ms: int
    rows_in_data: int
    snapshots: dict[str, int | None]
    coverage: dict[str, float]


class HistoricalFeatures(BaseModel):
    """`data`: the first 1000 rows, in the order asked. `download_url` holds all of them: a Parquet file that
    can be fetched for an hour, without a token."""

    feature_service: str | None
    data: list[dict[str, Any]]
    metadata: HistoricalMetadata
    download_url: str


@router.post("/historical-features")
def get_historical_features(
    body: HistoricalFeaturesBody, request: Request, _: Annotated[str, Depends(needs("features:read"))]
) -> HistoricalFeatures:
    """Features as they were known at each row's `event_timestamp`. Every row asked comes back, with nulls
    where nothing was known."""
    from asgard_pipelines.features import asked_features

    house: House = request.app.state.house
    began = time.perf_counter()
    declarations = house.declarations
    asked = asked_features(declarations, body.features, body.feature_service, body.full_feature_names)
    joined = _joined(house, declarations, body.entity_df, asked)
    try:
        shown = _Shown(body.entity_df)
        path = keep(house.settings, joined.schema, shown.watched(joined.batches()))
    finally:
        joined.close()
    seconds = time.perf_counter() - began
    house.metrics.offline.observe(seconds)
    return HistoricalFeatures(
        feature_service=body.feature_service,
        data=shown.rows([one.name for one in asked]),
        metadata=HistoricalMetadata(
            rows_count=shown.count,
            features_count=len(asked),
            processing_time_ms=round(seconds * 1000),
            rows_in_data=min(shown.count, ROWS_IN_ANSWER),
            snapshots={pin.table: pin.snapshot_id for pin in joined.reads},
            coverage=joined.coverage,
        ),
        download_url=f"{str(request.base_url).rstrip('/')}{path}",
    )


def _joined(
    house: House,
    declarations: Declarations,
    columns: Mapping[str, Sequence[Any]],
    asked: Sequence[AskedFeature],
) -> Joined:
    from asgard_pipelines.features import asked_history, entity_rows

    rows = entity_rows(declarations, columns, TIME)
    return asked_history(house.settings, house.lakehouse, declarations, rows, TIME, asked)


class _Shown:
    """The first rows, as JSON: what was asked as it was sent, then the features."""

    def __init__(self, asked: Mapping[str, Sequence[Any]]) -> None:
        self._asked = asked
        self._features: list[dict[str, Any]] = []
        self.count = 0

    def watched(self, batches: Any) -> Any:
        for batch in batches:
            room = ROWS_IN_ANSWER - len(self._features)
            if room > 0:
                self._features += batch.slice(0, room).to_pylist()
            self.count += batch.num_rows
            yield batch

    def rows(self, names: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {
                **{name: values[place] for name, values in self._asked.items()},
                **{name: _json(row[name]) for name in names},
            }
            for place, row in enumerate(self._features)
        ]


def _json(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return [_json(one) for one in value] if isinstance(value, list) else value
