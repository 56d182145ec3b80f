"""Tables to predict: the fields of `POST /feast/predictions/batch`, and ours."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import field_validator, model_validator

from asgard_pipelines.declarations.declared import Declared, Name, Record, TableName

WRITTEN = ("predicted_label", "probabilities", "model_id", "model_version", "prediction_id", "predicted_at")
"""Columns of every prediction table beside its entities, its event time and the prediction itself."""

_MODEL_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:@[A-Za-z0-9_-]+)?")


class PredictionFields(Record):
    """What a prediction table says of itself: the same in a file and over REST."""

    model_id: str
    """A model's name (its champion), `name@alias`, or `name_version`."""
    input_table: TableName
    """A table, or a feature view (then its table); compiled: `schema.table`."""
    entity_columns: list[Name]
    feature_views: list[str]
    output_table: Name
    output_schema: Name = "gold"
    prediction_column_name: Name = "prediction"
    event_timestamp_column: Name
    rows: Literal["all", "newest"] = "all"
    """`newest`: the rows of the newest event time, and from then on those of each later one."""

    @field_validator("model_id")
    @classmethod
    def _a_model(cls, value: str) -> str:
        if not _MODEL_ID.fullmatch(value):
            raise ValueError(
                f"a model is called NAME, NAME@ALIAS or NAME_VERSION; '{value}' is none of these"
            )
        return value

    @field_validator("output_schema")
    @classmethod
    def _not_ours(cls, value: str) -> str:
        if value in ("training_sets", "asgard"):
            raise ValueError(f"the schema '{value}' is Asgard's own")
        return value

    @model_validator(mode="after")
    def _distinct_columns(self) -> Self:
        rows = [*self.entity_columns, self.event_timestamp_column]
        for name in rows:
            if rows.count(name) > 1:
                raise ValueError(f"`entity_columns` and the event time name '{name}' twice")
            if name in WRITTEN:
                raise ValueError(f"`entity_columns`: '{name}' is a column that Asgard writes beside them")
        if self.prediction_column_name in (*rows, *WRITTEN):
            raise ValueError(
                f"`prediction_column_name` is '{self.prediction_column_name}', which another column of the "
                "output table is called"
            )
        return self

    @property
    def model_name(self) -> str:
        """The model's name, when `model_id` is a name or `name@alias`."""
        return self.model_id.split("@", 1)[0]

    @property
    def table(self) -> str:
        return f"{self.output_schema}.{self.output_table}"


class Prediction(PredictionFields, Declared):
    """Key in the graph: `predictions/<name>`; the name is the output table's."""
