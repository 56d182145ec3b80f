"""Tables to predict: the fields of `POST /feast/predictions/batch`, and ours."""

from __future__ import annotations

from typing import Literal

from asgard_pipelines.declarations.declared import Declared, Name


class Prediction(Declared):
    """Key in the graph: `predictions/<name>`; the name is the output table's."""

    model_id: str
    """A model's name (its champion), `name@alias`, or `name_version`."""
    input_table: str
    entity_columns: list[Name]
    feature_views: list[str]
    output_table: Name
    output_schema: Name = "gold"
    prediction_column_name: Name = "prediction"
    event_timestamp_column: Name
    rows: Literal["all", "newest"] = "all"
    """`newest`: the rows of the newest event time, and from then on those of each later one."""

    @property
    def model_name(self) -> str:
        """The model's name, when `model_id` is a name or `name@alias`."""
        return self.model_id.split("@", 1)[0]

    @property
    def table(self) -> str:
        return f"{self.output_schema}.{self.output_table}"
