"""Which of several rows is the greatest by its values: what decides when key and times are equal."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.features.kinds import Ints, numbers


def greatest(groups: Ints, values: pa.Table) -> Ints:
    """For each distinct group, in ascending order, the position of its greatest row.

    Rows are compared column by column. A null is less than any value, so that a row with a value wins; NaN
    is more than any number; arrays are compared as text.
    """
    ranks = [_ranks(column) for column in values.columns]
    order = np.lexsort((*reversed(ranks), groups))
    ordered = groups[order]
    best: Ints = order[np.append(ordered[1:] != ordered[:-1], True)]
    return best


def _ranks(column: pa.ChunkedArray) -> Ints:
    if pa.types.is_nested(column.type):
        column = pa.chunked_array(
            [[None if item is None else str(item) for item in column.to_pylist()]], pa.string()
        )
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    ranks = numbers(pc.rank(column, sort_keys="ascending", tiebreaker="dense"))
    return np.where(numbers(column.is_null()) == 1, 0, ranks)
