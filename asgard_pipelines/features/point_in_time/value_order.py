"""Which of several rows is the greatest by its values: what decides when key and times are equal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.features.kinds import Ints, numbers


def greatest(groups: Ints, values: pa.Table) -> Ints:
    """For each distinct group, in ascending order, the position of its greatest row.

    Rows are compared column by column. A null is less than any value, so that a row with a value wins; NaN
    is more than any number; arrays are compared item by item, and the beginning of another is less than it.
    """
    ranks = [rank for column in values.columns for rank in _ranks(column)]
    order = np.lexsort((*reversed(ranks), groups))
    ordered = groups[order]
    best: Ints = order[np.append(ordered[1:] != ordered[:-1], True)]
    return best


def _ranks(column: pa.ChunkedArray) -> list[Ints]:
    """What orders the rows by one column: the first that differs decides."""
    if pa.types.is_null(column.type):
        return []
    if pa.types.is_nested(column.type):
        items = [_comparable(item) for item in column.to_pylist()]
        ordered = sorted(set(items))
        place = {item: number for number, item in enumerate(ordered)}
        return [np.array([place[item] for item in items], np.int64)]
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())
    ranks = numbers(pc.rank(column, sort_keys="ascending", tiebreaker="dense"))
    ranks = np.where(numbers(column.is_null()) == 1, 0, ranks)
    if not pa.types.is_floating(column.type):
        return [ranks]
    # 0.0 and -0.0 are equal, and so are two NaN: which is taken must not depend on the order of files.
    values = column.combine_chunks().fill_null(0.0).to_numpy(zero_copy_only=False)
    return [ranks, values.view(np.int32 if values.itemsize == 4 else np.int64).astype(np.int64)]


def _comparable(value: Any) -> tuple[Any, ...]:
    """A tuple that orders as the value does: a null first, NaN last, what is nested by its items."""
    if value is None:
        return (0,)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return (1, *(_comparable(item) for item in value))
    return (2,) if value != value else (1, value)
