"""Two snapshots by their data files: which came, which went, which stayed; and what rows that changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TypeAlias

import numpy as np
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.manifest import ManifestContent, ManifestFile
from pyiceberg.table import FileScanTask
from pyiceberg.types import DateType, IntegerType, LongType

from asgard_pipelines.lakehouse.catalog import PinnedTable
from asgard_pipelines.lakehouse.file_bounds import may_share_rows
from asgard_pipelines.lakehouse.filters import column_kind, expression
from asgard_pipelines.lakehouse.manifests import listed, manifests_of
from asgard_pipelines.lakehouse.picked_files import Tally
from asgard_pipelines.lakehouse.pinned_source import Picked, PinnedSource, column_bytes, deleted_rows
from asgard_pipelines.lakehouse.pins import Predicate, TimeRange
from asgard_pipelines.lakehouse.reads import plan
from asgard_pipelines.lakehouse.rows_in_time import rows_within
from asgard_pipelines.lakehouse.sources import Positions, Source

_Rows: TypeAlias = dict[str, Positions | None]
"""Path -> some rows of the file, or None for all."""
_Tasks: TypeAlias = dict[str, FileScanTask]
"""Data files by their paths."""
_TIME_BYTES, _DATE_BYTES = 8, 4
_DAY = 86_400_000_000
_EVER = np.iinfo(np.int64)


@dataclass(frozen=True)
class FileFigures:
    """Of some data files: how many, the rows in them (deleted ones counted), the bytes of some columns, and
    how many keys there can be at most, by the bounds of whole numbers."""

    files: int
    rows: int
    bytes: int
    keys_at_most: int


class FileDifference:
    """What a table holds at `after` and did not at `before` (None: it held nothing), and the reverse.

    Of a file that has other delete files than before, those rows went (or came back) which these delete.
    Files of both are seen in the columns of `after`: a column that they do not have is null.
    """

    def __init__(self, before: PinnedTable | None, after: PinnedTable) -> None:
        self.after = after
        self._before = None if before is None else PinnedTable(before.pin, after.metadata, after.io)
        then, now = _files_of_both(self._before, after) if self._before else ({}, _files(after))
        self._then, self._now = then, now
        self._gone = [task for path, task in then.items() if path not in now]
        self._come = [task for path, task in now.items() if path not in then]
        self._kept = [task for path, task in now.items() if path in then]
        self._deleted_from = [
            (then[p], now[p]) for p in then if p in now and _deletes(then[p]) != _deletes(now[p])
        ]

    def figures(self, columns: Sequence[str], keys: Sequence[str] = ()) -> FileFigures:
        """Of the files that differ, delete files among them, from the table's metadata alone. Where files
        both went and came, all of their columns are compared, unless their bounds settle it."""
        both = self._gone and self._come and may_share_rows(self.after.schema, self._gone, self._come)
        read = self.after.arrow_schema.names if both else columns
        deletes = {
            one.file_path: one
            for then, now in self._deleted_from
            for one in then.delete_files ^ now.delete_files
        }
        found = _figures(self.after, [*self._gone, *self._come], read, keys)
        rows = sum(one.record_count for one in deletes.values())
        size = sum(one.file_size_in_bytes for one in deletes.values())
        return FileFigures(
            found.files + len(deletes), found.rows + rows, found.bytes + size, found.keys_at_most + rows
        )

    def _redeleted(self) -> tuple[_Rows, _Rows]:
        """Of files that have other delete files than before: the rows that went, and those that came back."""
        if self._before is None or not self._deleted_from:
            return {}, {}
        then = _deleted(self._before, [task for task, _ in self._deleted_from])
        now = _deleted(self.after, [task for _, task in self._deleted_from])
        went: _Rows = {path: np.setdiff1d(now[path], then[path]) for path in now}
        back: _Rows = {path: np.setdiff1d(then[path], now[path]) for path in now}
        return _some(went), _some(back)

    def removed_and_added(
        self, tally: Tally, threads: int, due: Sequence[TimeRange] = ()
    ) -> tuple[Source | None, Source | None]:
        """The rows that went, and those that came, as sources; None where there are none.

        Rows that stand equal on both sides cancel, as often as they do: a rewrite that leaves the rows as
        they are gives nothing. To find out, all columns of the files that differ are read; where files only
        came, or only went, or by their bounds no two rows can be equal, none are.

        Args:
            due: rows that meet one of these are given as if they had come, wherever they stand.
        """
        gone, come = self._redeleted()
        gone |= dict.fromkeys(task.file.file_path for task in self._gone)
        come |= dict.fromkeys(task.file.file_path for task in self._come)
        if self._before is not None and gone and come and self._may_share_rows(gone, come):
            from asgard_pipelines.lakehouse.row_difference import net_positions  # imports DuckDB

            before = self._picked(self._before, self._then, gone, tally)
            after = self._picked(self.after, self._now, come, tally)
            removed, added = net_positions(before, after, self.after.arrow_schema.names, threads)
            gone, come = {**removed}, {**added}
        if due:
            come = self._with_due(come, due, tally)
        went = self._picked(self._before, self._then, gone, tally) if self._before else None
        came = self._picked(self.after, self._now, come, tally)
        return (went if gone else None, came if come else None)

    def beside(self, added: Source) -> Source:
        """`added`, with all other rows of the files that came: one that cancelled may have the times of one
        that is added."""
        assert isinstance(added, PinnedSource)
        whole: dict[str, Picked] = {task.file.file_path: (task, None) for task in self._come}
        return replace(added, picked={**(added.picked or {}), **whole})

    def _may_share_rows(self, gone: _Rows, come: _Rows) -> bool:
        removed, added = [self._then[path] for path in gone], [self._now[path] for path in come]
        return may_share_rows(self.after.schema, removed, added)

    def _with_due(self, come: _Rows, due: Sequence[TimeRange], tally: Tally) -> _Rows:
        """The rows that came, and those of other files that meet one of `due`."""
        others: dict[str, Picked] = {
            path: (task, None)
            for path, task in self._now.items()
            if path not in come or come[path] is not None
        }
        found = dict(come)
        for path, rows in rows_within(PinnedSource(self.after, others, tally=tally), due).items():
            known = come.get(path)
            found[path] = rows if known is None else np.union1d(rows, known)
        return found

    def _picked(
        self, table: PinnedTable, files: Mapping[str, FileScanTask], rows: _Rows, tally: Tally
    ) -> PinnedSource:
        picked = {path: (files[path], some) for path, some in rows.items()}
        return PinnedSource(table, picked, tally=tally)

    def source(self, tally: Tally, where: Sequence[Predicate] = ()) -> Source:
        """All of the table at `after`, without reading its manifests again; see `Lakehouse.source`."""
        return PinnedSource(
            self.after, {path: (task, None) for path, task in self._now.items()}, where, tally
        )

    def kept_spans(self, time_column: str) -> tuple[Positions, Positions]:
        """The times that rows of the files which stayed may have, as ascending intervals that do not touch:
        their first and their last microseconds since 1970, both included."""
        kind = column_kind(self.after.schema, time_column, self.after.pin.table)
        field_id = self.after.schema.find_field(time_column).field_id
        found = sorted(_span(task, field_id, isinstance(kind, DateType)) for task in self._kept)
        merged: list[list[int]] = []
        for low, high in found:
            if merged and low <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], high)
            else:
                merged.append([low, high])
        edges = np.array(merged, np.int64).reshape(-1, 2)
        return edges[:, 0], edges[:, 1]


def table_figures(
    table: PinnedTable, columns: Sequence[str], keys: Sequence[str], where: Sequence[Predicate]
) -> FileFigures:
    """Of the files that may hold rows which meet every predicate, from the table's metadata alone."""
    return _figures(table, plan(table, expression(where, table.schema, table.pin.table)), columns, keys)


def _figures(
    table: PinnedTable, tasks: Sequence[FileScanTask], columns: Sequence[str], keys: Sequence[str]
) -> FileFigures:
    rows = sum(task.file.record_count for task in tasks)
    size = sum(column_bytes(table, task, columns) for task in tasks)
    return FileFigures(len(tasks), rows, size, min(rows, prod(_range(table, tasks, key) for key in keys)))


def _range(table: PinnedTable, tasks: Sequence[FileScanTask], column: str) -> int:
    """How many whole numbers there are from the least to the greatest; one a row where that is not known."""
    kind = column_kind(table.schema, column, table.pin.table)
    field_id = table.schema.find_field(column).field_id
    edges = [
        bound
        for task in tasks
        for bounds in (task.file.lower_bounds, task.file.upper_bounds)
        if isinstance(kind, IntegerType | LongType) and (bound := (bounds or {}).get(field_id))
    ]
    if len(edges) < 2 * len(tasks) or not tasks:
        return max(sum(task.file.record_count for task in tasks), 1)
    values = [int.from_bytes(bound, "little", signed=True) for bound in edges]
    return max(values) - min(values) + 1


def _files_of_both(before: PinnedTable, after: PinnedTable) -> tuple[_Tasks, _Tasks]:
    """Manifests that both have, mostly nearly all, are read once: what they list is the same, unless there
    are delete files."""
    then, now = _manifests(before), _manifests(after)
    if any(one.content == ManifestContent.DELETES for one in (*then.values(), *now.values())):
        return _files(before), _files(after)
    shared = _listed(after, [one for path, one in now.items() if path in then])
    return (
        shared | _listed(before, [one for path, one in then.items() if path not in now]),
        shared | _listed(after, [one for path, one in now.items() if path not in then]),
    )


def _manifests(table: PinnedTable) -> dict[str, ManifestFile]:
    return {one.manifest_path: one for one in manifests_of(table)}


def _listed(table: PinnedTable, manifests: Sequence[ManifestFile]) -> _Tasks:
    return {task.file.file_path: task for task in listed(table, manifests)}


def _files(table: PinnedTable) -> _Tasks:
    return {task.file.file_path: task for task in plan(table, AlwaysTrue())}


def _deletes(task: FileScanTask) -> set[str]:
    return {one.file_path for one in task.delete_files}


def _deleted(table: PinnedTable, tasks: Sequence[FileScanTask]) -> dict[str, Positions]:
    """Path -> the positions of its rows that are deleted."""
    return {task.file.file_path: rows for task, rows in zip(tasks, deleted_rows(table, tasks), strict=True)}


def _some(picked: _Rows) -> _Rows:
    return {path: rows for path, rows in picked.items() if rows is None or len(rows)}


def _span(task: FileScanTask, field_id: int, is_date: bool) -> tuple[int, int]:
    """The least and the greatest time a file may hold; all there are where its bounds say nothing."""
    lower = (task.file.lower_bounds or {}).get(field_id, b"")
    upper = (task.file.upper_bounds or {}).get(field_id, b"")
    if len(lower) != len(upper) or len(lower) not in (_TIME_BYTES, _DATE_BYTES):
        return int(_EVER.min), int(_EVER.max)
    if len(lower) == _DATE_BYTES:  # from before the column was widened, or it is one of dates
        return tuple(_DAY * from_bytes(DateType(), bound) for bound in (lower, upper))  # type: ignore[return-value]
    return tuple(int.from_bytes(bound, "little", signed=True) for bound in (lower, upper))  # type: ignore[return-value]
