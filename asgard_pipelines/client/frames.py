"""A program's `entity_df`: what is asked of it, and its own rows with the features beside them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from asgard_pipelines.client.asked import TIME
from asgard_pipelines.errors import Invalid, TypeMismatch

if TYPE_CHECKING:
    import pandas as pd


def asked_rows(frame: pd.DataFrame, keys: Collection[str]) -> pa.Table:
    """The columns of keys as they are called, and `event_timestamp` in UTC: from the column of that name,
    else from the only column of times; now, where there is none. A naive time is UTC, text is ISO 8601.

    Raises:
        Invalid: no frame, no rows, a column name twice, several columns of times.
        TypeMismatch: a time that is none; a column of keys of several kinds.
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise Invalid(f"entity_df is a {type(frame).__name__}: give a pandas frame.", field="entity_df")
    twice = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
    if twice or not len(frame):
        told = f"two columns called {', '.join(twice)}" if twice else "no rows"
        raise Invalid(f"entity_df has {told}.", field="entity_df", columns=twice)
    columns = {}
    for name in frame.columns:
        if name in keys and name != TIME:
            columns[str(name)] = _keys(str(name), frame[name])
    times = _time_column(frame, columns)
    if times is None:
        columns[TIME] = pa.array([datetime.now(UTC)] * len(frame), pa.timestamp("us", "UTC"))
    else:
        columns[TIME] = _utc(frame[times], times)
    return pa.table(columns)


def with_features(frame: pd.DataFrame, found: pa.Table) -> pd.DataFrame:
    """The frame, its index and all its columns as they are, then the features.

    Raises:
        Invalid: a column of the frame is called as a feature.
    """
    import pandas as pd

    both = sorted(set(map(str, frame.columns)) & set(found.column_names))
    if both:
        raise Invalid(
            f"Two columns would be called {', '.join(both)}: rename those of entity_df.", columns=both
        )
    whole: pd.DataFrame = pd.concat([frame, found.to_pandas().set_index(frame.index)], axis=1)
    return whole


def _time_column(frame: pd.DataFrame, keys: Collection[str]) -> str | None:
    import pandas as pd

    if TIME in frame.columns:
        return TIME
    times = [
        str(name)
        for name, dtype in frame.dtypes.items()
        if name not in keys and pd.api.types.is_datetime64_any_dtype(dtype)
    ]
    if len(times) > 1:
        raise Invalid(
            f"entity_df has several columns of times ({', '.join(times)}): call the one that counts {TIME}.",
            field="entity_df",
            columns=times,
        )
    return times[0] if times else None


def _utc(column: pd.Series[Any], name: str) -> pa.Array:
    import pandas as pd

    wrong = f"Column '{name}' of entity_df "
    if pd.api.types.is_numeric_dtype(column.dtype):
        raise TypeMismatch(f"{wrong}holds {column.dtype}, not times.", column=name, declared="timestamp")
    is_time = pd.api.types.is_datetime64_any_dtype(column.dtype)
    try:
        times = pd.to_datetime(column, utc=True, format=None if is_time else "ISO8601")
    except (ValueError, TypeError) as error:
        told = f"{wrong}is no column of times: {str(error).split(', at position')[0]}."
        raise TypeMismatch(told, column=name, declared="timestamp") from None
    if times.isna().any():
        raise TypeMismatch(f"{wrong}lacks some times.", column=name, declared="timestamp")
    return pa.array(times.dt.as_unit("us"), pa.timestamp("us", "UTC"))


def _keys(name: str, column: pd.Series[Any]) -> pa.Array | pa.ChunkedArray:
    try:
        keys = pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        told = f"Column '{name}' of entity_df holds keys of several kinds."
        raise TypeMismatch(told, entity=name) from None
    return keys.dictionary_decode() if pa.types.is_dictionary(keys.type) else keys
