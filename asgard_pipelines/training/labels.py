"""Labels: values for a regression, class codes for a classification."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from asgard_pipelines.declarations import ModelType
from asgard_pipelines.errors import Invalid, TypeMismatch
from asgard_pipelines.training.signature import Class

MOST_CLASSES = 1000
UNSEEN = -1
"""The code of a test row whose class no training row has."""


def normalised(column: pa.ChunkedArray, name: str, model_type: ModelType) -> pa.ChunkedArray:
    """The label as `float64` (regression), or as `bool`, `int64` or `string`. NaN becomes null.

    Raises:
        TypeMismatch: a column that cannot be such a label.
    """
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        column = column.cast(pa.float64(), safe=False)
        column = pc.if_else(pc.is_finite(column), column, None)
    numeric = pa.types.is_floating(column.type) or pa.types.is_integer(kind)
    if model_type == "regression":
        if numeric or pa.types.is_boolean(kind):
            return column.cast(pa.float64(), safe=False)
        raise _unfit(name, kind, "a regression needs numbers. Did you mean `model_type: classification`?")
    if pa.types.is_boolean(kind) or pa.types.is_string(kind):
        return column
    if numeric:
        if pc.all(pc.equal(column, pc.round(column))).as_py() is not False:
            return column.cast(pa.int64(), safe=False)
        raise _unfit(name, kind, "its values are not whole. Did you mean `model_type: regression`?")
    raise _unfit(name, kind, "a class is a bool, a whole number or a string.")


def _unfit(name: str, kind: pa.DataType, why: str) -> TypeMismatch:
    return TypeMismatch(f"Label '{name}' is {kind}: {why}", column=name, found=str(kind))


def classes_of(column: pa.ChunkedArray, name: str) -> list[Class]:
    """The distinct labels, sorted.

    Raises:
        Invalid: more than `MOST_CLASSES`.
    """
    classes: list[Class] = sorted(pc.unique(column).to_pylist())
    if len(classes) > MOST_CLASSES:
        raise Invalid(
            f"Label '{name}' has {len(classes)} classes, more than {MOST_CLASSES}. "
            "Did you mean `model_type: regression`?",
            column=name,
        )
    return classes


def codes_of(column: pa.ChunkedArray, classes: list[Class]) -> NDArray[np.int64]:
    """Each label's place among `classes`, or `UNSEEN`."""
    found = pc.index_in(column, value_set=pa.array(classes, type=column.type))
    return np.asarray(found.fill_null(UNSEEN).to_numpy(), dtype=np.int64)


def positive_label(classes: list[Class], declared: Class | None, name: str) -> Class:
    """Of two classes the positive one: true or 1, else the declared one, else the last.

    Raises:
        Invalid: a declared one that is not a class, or that true or 1 overrules.
    """
    natural = next((one for one in classes if one is True or (one == 1 and type(one) is int)), None)
    if declared is None:
        return classes[-1] if natural is None else natural
    matching = next((one for one in classes if one == declared), None)  # true is 1 here, as in SQL
    if matching is None:
        raise Invalid(
            f"`positive_label` {declared!r} is not a class of '{name}': those are {classes!r}.",
            field="positive_label",
        )
    if natural is not None and matching != natural:
        raise Invalid(
            f"The positive class of '{name}' is {natural!r}: `positive_label` chooses only where no class "
            "is true or 1. Leave it out, or train on the opposite label.",
            field="positive_label",
        )
    return matching
