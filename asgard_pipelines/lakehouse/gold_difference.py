"""In which partitions two sets of rows differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from asgard_pipelines.errors import InvalidSql
from asgard_pipelines.lakehouse.row_multisets import net_rows
from asgard_pipelines.lakehouse.session import connect

Places = npt.NDArray[np.int64]
"""For each row the index of its partition; -1 for a row in none of them."""

_PLACE = "asgard place"


@dataclass(frozen=True)
class Partition:
    """[start, end) in naive UTC; both None for the whole of an unpartitioned table."""

    key: str
    start: datetime | None
    end: datetime | None


def places(rows: pa.Table, column: str | None, partitions: Sequence[Partition]) -> Places:
    """In which of the sorted `partitions` the time in `column` puts each row."""
    if column is None or any(partition.start is None for partition in partitions):
        return np.zeros(rows.num_rows, dtype=np.int64)
    times = rows.column(column).to_numpy().astype("datetime64[us]")
    starts = np.array([partition.start for partition in partitions], dtype="datetime64[us]")
    ends = np.array([partition.end for partition in partitions], dtype="datetime64[us]")
    found = np.searchsorted(starts, times, side="right") - 1
    if not partitions:
        return np.full(rows.num_rows, -1, dtype=np.int64)
    inside = (found >= 0) & (times < ends[np.maximum(found, 0)])  # a missing time compares as false
    return np.where(inside, found, -1)


def need_places(table: str, rows: pa.Table, column: str | None, found: Places) -> None:
    """Raises InvalidSql when a row lies in no partition, naming the table and the row's time."""
    outside = np.flatnonzero(found < 0)
    if outside.size and column is not None:
        time = rows.column(column)[int(outside[0])].as_py()
        written = "without a time" if time is None else f"at {time.isoformat(sep=' ')}"
        raise InvalidSql(
            f"'{table}' gives a row {written} in '{column}', outside the partitions to build: "
            "bound it by asgard.partitions.",
            table=table,
            rows=int(outside.size),
        )


def changed(new: pa.Table, new_places: Places, old: pa.Table, old_places: Places, threads: int) -> list[int]:
    """Sorted indices of the partitions whose rows differ as multisets.

    A column that one side lacks is null there. Rows in no partition do not count.
    """
    try:
        schema = pa.unify_schemas([new.schema, old.schema], promote_options="permissive")
    except pa.ArrowTypeError:  # a column changed its kind: no row is what it was
        return sorted({int(index) for index in (*new_places, *old_places) if index >= 0})
    with connect(threads) as session:
        net = net_rows(session, _placed(new, new_places, schema), _placed(old, old_places, schema))
        found = session.sql(f"SELECT DISTINCT c0 FROM {net} ORDER BY c0").fetchall()  # noqa: S608 (no names)
    return [index for (index,) in found]


def _placed(rows: pa.Table, found: Places, schema: pa.Schema) -> pa.RecordBatchReader:
    """The rows that have a partition, its index first, then the columns of `schema`."""
    columns = [
        rows.column(field.name).cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    placed = pa.table([pa.array(found), *columns], names=[_PLACE, *schema.names])
    return placed.filter(pa.array(found >= 0)).to_reader()
