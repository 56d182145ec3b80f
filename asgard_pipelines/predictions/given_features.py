"""Feature values as they are sent, as the rows that a model takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from asgard_pipelines.errors import Invalid, TypeMismatch

_ARROW = {
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us"),
}


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
    taken = []
    for place, value in enumerate(values):
        try:
            taken.append(None if value is None else pa.scalar(_value(value, dtype), _ARROW[dtype]))
        except (ValueError, TypeError, OverflowError, pa.ArrowInvalid):
            raise TypeMismatch(
                f"Feature '{name}' is {dtype}, and {str(value)[:100]!r} is none.",
                feature=name,
                declared=dtype,
                row=place,
            ) from None
    return pa.array(taken, _ARROW[dtype])


def _value(value: Any, dtype: str) -> Any:
    """Raises ValueError, TypeError, OverflowError."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if dtype.startswith("float") and number:
        return float(value) if math.isfinite(value) else None
    if dtype.startswith("int") and number and value == int(value):
        return int(value)
    if dtype == "timestamp" and isinstance(value, str):
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    if type(value) is {"string": str, "bool": bool}.get(dtype):
        return value
    raise TypeError(dtype)
