"""Feature values as they are sent, as the rows that a model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from asgard_pipelines.errors import Invalid, TypeMismatch
from asgard_pipelines.features.given_values import Given
from asgard_pipelines.features.kinds import arrow_type


def given_rows(inputs: Mapping[str, str], given: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The rows of the inputs (name -> declared type). Null is allowed, and so is a number that is not finite:
    both are missing values.

    Raises:
        Invalid: features that are missing, and such as the model does not take; all of a row are named.
        TypeMismatch: a value of another type.
    """
    for place, row in enumerate(given):
        _need_names(inputs, row, place, len(given))
    return pa.table(
        {name: _column(name, [row[name] for row in given], dtype) for name, dtype in inputs.items()}
    )


def _need_names(inputs: Mapping[str, str], row: Mapping[str, Any], place: int, rows: int) -> None:
    missing, extra = sorted(inputs.keys() - row.keys()), sorted(row.keys() - inputs.keys())
    if missing or extra:
        told = [f"missing: {', '.join(missing)}"] if missing else []
        told += [f"not taken: {', '.join(extra)}"] if extra else []
        where = f" in row {place}" if rows > 1 else ""
        raise Invalid(
            f"The features{where} are not what the model takes ({'; '.join(told)}).",
            missing=missing,
            extra=extra,
            features=dict(inputs),
            row=place,
        )


def _column(name: str, values: Sequence[Any], dtype: str) -> pa.Array:
    taken, wrong = Given(dtype).column(values)
    if wrong:
        raise TypeMismatch(
            f"Feature '{name}' is {dtype}, and {str(values[wrong[0]])[:100]!r} is none.",
            feature=name,
            declared=dtype,
            row=wrong[0],
        )
    return pa.array(taken, arrow_type(dtype))
