"""What a trained model takes and gives: kept beside it as JSON, verified with it."""

from __future__ import annotations

from typing import Literal

from pydantic import StrictBool, StrictInt, StrictStr

from asgard_pipelines.declarations import Framework, ModelType, Record

Kind = Literal["numeric", "bool", "string", "timestamp"]
Class = StrictBool | StrictInt | StrictStr
"""A class label, of the kind it has in the label's column."""

_KINDS: dict[str, Kind] = {"string": "string", "bool": "bool", "timestamp": "timestamp", "date": "timestamp"}


class Input(Record):
    """One input; `dtype` as declared (`int64`, `string`…)."""

    name: str
    dtype: str

    @property
    def kind(self) -> Kind:
        return _KINDS.get(self.dtype, "numeric")


class Signature(Record):
    """`inputs` in the order in which the model takes them.

    `classes` in the order of the estimator's probabilities, empty for a regression;
    `positive_label` is one of them when there are two.
    """

    framework: Framework
    estimator: str
    model_type: ModelType
    inputs: list[Input]
    label: str
    classes: list[Class]
    positive_label: Class | None

    @property
    def binary(self) -> bool:
        return len(self.classes) == 2

    @property
    def positive(self) -> int:
        """The positive class's place among `classes`."""
        assert self.positive_label is not None  # a binary signature has one
        return self.classes.index(self.positive_label)
