"""What the bounds of data files' columns, as manifests have them, tell of the rows before any is read."""

from __future__ import annotations

from collections.abc import Sequence

from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask
from pyiceberg.types import LongType, TimestampType, TimestamptzType

_WHOLE, _BYTES = (LongType, TimestampType, TimestamptzType), 8
"""Kinds with bounds of whole numbers, of so many bytes. A text's may be cut short, and a float may be NaN."""


def may_share_rows(schema: Schema, ones: Sequence[FileScanTask], others: Sequence[FileScanTask]) -> bool:
    """Whether a row of the ones may equal one of the others. None does if the values of some column lie
    apart: where all times of what was rewritten are later than before, for example."""
    kinds = [field.field_id for field in schema.fields if isinstance(field.field_type, _WHOLE)]
    return not any(_apart(field_id, ones, others) for field_id in kinds)


def _apart(field_id: int, ones: Sequence[FileScanTask], others: Sequence[FileScanTask]) -> bool:
    first, second = _edges(field_id, ones), _edges(field_id, others)
    if first is None or second is None or (_has_nulls(field_id, ones) and _has_nulls(field_id, others)):
        return False
    return first[1] < second[0] or second[1] < first[0]


def _edges(field_id: int, tasks: Sequence[FileScanTask]) -> tuple[int, int] | None:
    """The least and the greatest value; None where a file does not tell, or tells it narrower: it was written
    before the column was widened."""
    lower = [(task.file.lower_bounds or {}).get(field_id, b"") for task in tasks]
    upper = [(task.file.upper_bounds or {}).get(field_id, b"") for task in tasks]
    if {len(bound) for bound in (*lower, *upper)} != {_BYTES}:
        return None
    return min(map(_number, lower)), max(map(_number, upper))


def _number(bound: bytes) -> int:
    return int.from_bytes(bound, "little", signed=True)


def _has_nulls(field_id: int, tasks: Sequence[FileScanTask]) -> bool:
    """Or may have some."""
    return any((task.file.null_value_counts or {}).get(field_id) != 0 for task in tasks)
