"""Scored rows as a stream: while a batch is written, the next is predicted and the one after it read."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from asgard_pipelines.declarations import Prediction
from asgard_pipelines.predictions.ahead import ahead

if TYPE_CHECKING:
    from asgard_pipelines.training import Predictor, Scores

Progress = Callable[[int, int], None]
"""Told how many rows are done, and of how many."""


@dataclass(frozen=True)
class Scoring:
    """Makes a prediction table's rows of the input's: `at` (UTC) is when they were predicted."""

    prediction: Prediction
    predictor: Predictor
    prediction_id: str
    at: datetime

    def schema(self, rows: pa.Schema) -> pa.Schema:
        """The columns of the prediction table, for an input of such rows."""
        features = pa.table({name: pa.nulls(0) for name in self.predictor.inputs})
        return self._labelled(pa.RecordBatch.from_pylist([], rows), self.predictor.predict(features)).schema

    def scored(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The input's columns of `batch`, which holds the features too, and what is written beside them."""
        scores = self.predictor.predict(pa.Table.from_batches([batch]))
        columns = [*self.prediction.entity_columns, self.prediction.event_timestamp_column]
        return self._labelled(batch.select(columns), scores)

    def stream(
        self, batches: Iterator[pa.RecordBatch], total: int, progress: Progress
    ) -> Generator[pa.RecordBatch]:
        """All of them scored, in order. Close it: it reads and predicts ahead, each in a thread."""
        done = 0
        with closing(ahead(batches)) as read, closing(ahead(map(self.scored, read))) as ready:
            for batch in ready:
                yield batch
                done += batch.num_rows
                progress(done, total)

    def _labelled(self, rows: pa.RecordBatch, scores: Scores) -> pa.RecordBatch:
        columns = {self.prediction.prediction_column_name: scores.prediction}
        if scores.label is not None:
            columns["predicted_label"] = scores.label
        if scores.probabilities is not None:
            columns["probabilities"] = scores.probabilities
        version = self.predictor.version
        for name, value in {
            "model_id": pa.scalar(version.model_id, pa.string()),
            "model_version": pa.scalar(version.version, pa.string()),
            "prediction_id": pa.scalar(self.prediction_id, pa.string()),
            "predicted_at": pa.scalar(self.at.replace(tzinfo=None), pa.timestamp("us")),
        }.items():
            columns[name] = pa.repeat(value, rows.num_rows)
        return pa.RecordBatch.from_arrays([*rows.columns, *columns.values()], [*rows.schema.names, *columns])
