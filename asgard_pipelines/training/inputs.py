"""A model's inputs as a frame of two dtypes: float64 (null is NaN) and object (strings, None)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.errors import ColumnNotFound, TypeMismatch
from asgard_pipelines.training.signature import Input, Kind


def frame_of(table: pa.Table, inputs: Sequence[Input]) -> pd.DataFrame:
    """The inputs' columns, in order. Bools are 0 and 1, times are seconds since 1970 (UTC).

    A number that is not finite counts as missing.

    Raises:
        ColumnNotFound: an input is missing.
        TypeMismatch: a column of another kind than the input's.
    """
    columns = {}
    for one in inputs:
        if one.name not in table.column_names:
            raise ColumnNotFound(one.name, table.column_names, table="the model's inputs")
        columns[one.name] = _converted(table.column(one.name), one)
    return pd.DataFrame(columns, index=range(table.num_rows), copy=False)


def check_inputs(table: pa.Table, inputs: Sequence[Input]) -> None:
    """Raises ColumnNotFound, TypeMismatch as `frame_of` does, without converting anything."""
    frame_of(table.slice(0, 0), inputs)


def _converted(column: pa.ChunkedArray, one: Input) -> np.ndarray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    accepts, convert = _CONVERSIONS[one.kind]
    if not pa.types.is_null(column.type) and not accepts(column.type):
        raise TypeMismatch(
            f"Input '{one.name}' is {column.type}, and the model takes {one.dtype}.",
            column=one.name,
            declared=one.dtype,
            found=str(column.type),
        )
    return convert(column)


def _number(column: pa.ChunkedArray) -> np.ndarray:
    values = column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def _seconds(column: pa.ChunkedArray) -> np.ndarray:
    micros = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    return _number(pc.divide(micros.cast(pa.float64(), safe=False), 1e6))


def _string(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.cast(pa.string()).to_numpy(zero_copy_only=False), dtype=object)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


_CONVERSIONS: dict[Kind, tuple[Callable[[pa.DataType], bool], Callable[[pa.ChunkedArray], np.ndarray]]] = {
    "numeric": (_is_number, _number),
    "bool": (pa.types.is_boolean, _number),
    "timestamp": (_is_time, _seconds),
    "string": (_is_string, _string),
}
