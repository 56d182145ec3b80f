"""The rows that a Feast program asks features for: its `entity_df`, with all that pandas lets it hold."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast.infra.offline_stores.offline_utils import (
    DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL,
    infer_event_timestamp_from_entity_df,
)

from asgard_pipelines.errors import Invalid, TypeMismatch, Unsupported

_LOOKS_LIKE_A_TIME = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class EntityRows:
    """`table`: the rows as they came, but for the event time: it is in UTC, and called `timestamp`."""

    table: pa.Table
    timestamp: str

    @property
    def span(self) -> tuple[datetime | None, datetime | None]:
        """The first and the last event time (UTC); None when there is none."""
        edges = pc.min_max(self.table[self.timestamp].cast(pa.timestamp("us", "UTC"), safe=False)).as_py()
        return edges["min"], edges["max"]


def entity_rows(given: Any, join_keys: Collection[str]) -> EntityRows:
    """
    Args:
        given: a pandas frame, or whatever gives Arrow: a table, a Polars frame. Its event times stand in
            `event_timestamp`, else in its only column of times; where there is none, features are asked
            as of now. Naive times are UTC, text is read as a time, other zones become UTC.
        join_keys: columns that are no event time, whatever they hold.

    Raises:
        Unsupported: SQL, or something else that holds no rows.
        TypeMismatch: event times that are none; a column of several kinds.
        Invalid: a column name twice; times in text under another name than `event_timestamp`.
        EntityTimestampInferenceException: Feast's own, for several columns of times.
    """
    if isinstance(given, str):
        raise Unsupported(
            "entity_df is SQL, which would run as it stands: run the query where it belongs, and give its "
            "rows as a frame."
        )
    frame = _frame(given)
    twice = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
    if twice:
        raise Invalid(f"entity_df has two columns called {', '.join(twice)}: rename one.", columns=twice)
    timestamp = _timestamp(frame, join_keys)
    if timestamp is None:
        timestamp = DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL
        times = pd.Series(pd.Timestamp(datetime.now(UTC)), index=frame.index, dtype="datetime64[us, UTC]")
    else:
        times = _utc(frame[timestamp], timestamp)
    rows = frame.copy(deep=False)  # the caller's frame stays as it is, and nothing is copied
    rows[timestamp] = times
    return EntityRows(_arrow(rows), timestamp)


def _frame(given: Any) -> pd.DataFrame:
    if isinstance(given, pd.DataFrame):
        return given
    if hasattr(given, "__arrow_c_stream__"):
        frame: pd.DataFrame = pa.table(given).to_pandas(types_mapper=_kept)
        return frame
    raise Unsupported(
        f"entity_df is a {type(given).__name__}: give a pandas frame, a Polars frame or an Arrow table."
    )


def _kept(kind: pa.DataType) -> pd.ArrowDtype | None:
    """Arrow's own types, so that nothing changes on the way; but times as pandas', which are read as such."""
    return None if pa.types.is_timestamp(kind) else pd.ArrowDtype(kind)


def _timestamp(frame: pd.DataFrame, join_keys: Collection[str]) -> str | None:
    """The column of the event times; None where the rows say no time at all."""
    times = {name: frame[name].dtype for name in frame.columns if _holds_times(frame[name])}
    if DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL in frame.columns or len(times) > 1:
        return str(infer_event_timestamp_from_entity_df(dict(frame.dtypes)))
    if times:
        return str(next(iter(times)))
    for name in frame.columns:
        first = next(iter(frame[name].dropna().head(1)), None)
        if name not in join_keys and isinstance(first, str) and _LOOKS_LIKE_A_TIME.match(first):
            raise Invalid(
                f"Column '{name}' of entity_df holds times as text. Call it event_timestamp if features are "
                "asked as of them; else give the rows an event_timestamp.",
                column=str(name),
            )
    return None


def _are_times(column: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_datetime64_any_dtype(column.dtype))


def _holds_times(column: pd.Series[Any]) -> bool:
    if _are_times(column):
        return True
    if column.dtype != object:
        return False
    return pd.api.types.infer_dtype(column, skipna=True) in ("datetime", "datetime64")


def _utc(column: pd.Series[Any], name: str) -> pd.Series[Any]:
    """The times in UTC, in their own unit. Raises TypeMismatch."""
    if column.isna().all():
        return pd.Series(pd.NaT, index=column.index, dtype="datetime64[us, UTC]")
    if pd.api.types.is_numeric_dtype(column.dtype):
        raise TypeMismatch(f"Column '{name}' of entity_df holds {column.dtype}, not times.", column=name)
    if isinstance(column.dtype, pd.ArrowDtype):
        column = column.astype(object)
    try:
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            converted: pd.Series[Any] = column.dt.tz_convert("UTC")
            return converted
        # Without its cache, which looks through the column in Python for times that come twice.
        return pd.to_datetime(
            column, utc=True, format=None if _are_times(column) else "ISO8601", cache=not _are_times(column)
        )
    except (ValueError, TypeError) as error:
        raise TypeMismatch(
            f"Column '{name}' of entity_df is no column of times: {str(error).split(', at position')[0]}. "
            "Write times as 2026-01-31T12:00:00.",
            column=name,
        ) from None


def _arrow(frame: pd.DataFrame) -> pa.Table:
    try:
        return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise TypeMismatch(f"entity_df holds a column that has no one type: {error}.") from None
