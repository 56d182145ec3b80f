"""The logical difference of two snapshots: which rows came and went, whatever files hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask

from asgard_pipelines.lakehouse.catalog import PinnedTable
from asgard_pipelines.lakehouse.filters import column_kind, instant
from asgard_pipelines.lakehouse.reads import batches, plan, span
from asgard_pipelines.lakehouse.row_multisets import net_rows
from asgard_pipelines.lakehouse.session import connect


@dataclass(frozen=True)
class Changes:
    """Rows added and removed between two snapshots; `first` and `last` are the least and greatest
    of their times (UTC), None when there is no time column or no row has a time."""

    added: int
    removed: int
    first: datetime | None
    last: datetime | None

    @property
    def rows(self) -> int:
        return self.added + self.removed

    def __bool__(self) -> bool:
        return self.rows > 0


def changes(before: PinnedTable, after: PinnedTable, time_column: str | None, threads: int) -> Changes:
    """What `after` holds that `before` does not, and the reverse, as multisets of rows.

    Rows are compared in `after`'s columns; a column that `before` did not have is null there.

    Raises:
        ColumnNotFound, TypeMismatch: `time_column` is no time column of `after`.
    """
    if time_column is not None:
        column_kind(after.schema, time_column, after.pin.table)
    removed, added = _files(before), _files(after)
    common = removed.keys() & added.keys()
    gone = [task for key, task in removed.items() if key not in common]
    come = [task for key, task in added.items() if key not in common]
    if not gone or not come:
        return _all_rows(after, gone, come, time_column)
    return _compared(after, gone, come, time_column, threads)


def _files(table: PinnedTable) -> dict[tuple[str, frozenset[str]], FileScanTask]:
    """Data files, each known by its path and those of its delete files."""
    return {
        (task.file.file_path, frozenset(delete.file_path for delete in task.delete_files)): task
        for task in plan(table, AlwaysTrue())
    }


def _all_rows(
    table: PinnedTable, gone: Sequence[FileScanTask], come: Sequence[FileScanTask], time_column: str | None
) -> Changes:
    """Files only came, or only went: every row of theirs changed."""
    edges = []
    if time_column is not None:
        kind = column_kind(table.schema, time_column, table.pin.table)
        edges = [times for task in (*gone, *come) if (times := span(table, task, time_column, kind))]
    return Changes(
        added=sum(_rows(table, task) for task in come),
        removed=sum(_rows(table, task) for task in gone),
        first=min((first for first, _ in edges), default=None),
        last=max((last for _, last in edges), default=None),
    )


def _rows(table: PinnedTable, task: FileScanTask) -> int:
    if not task.delete_files:
        return task.file.record_count
    narrow = Schema(table.schema.fields[0])
    return sum(batch.num_rows for batch in batches(table, [task], narrow, AlwaysTrue()))


def _compared(
    table: PinnedTable,
    gone: Sequence[FileScanTask],
    come: Sequence[FileScanTask],
    time_column: str | None,
    threads: int,
) -> Changes:
    names = [field.name for field in table.schema.fields]
    time = f"c{names.index(time_column)}" if time_column else "NULL"
    with connect(threads) as session:
        net = net_rows(
            session,
            come=batches(table, come, table.schema, AlwaysTrue()),
            gone=batches(table, gone, table.schema, AlwaysTrue()),
        )
        added, removed, first, last = _one(
            session,
            f"""
            SELECT
                coalesce(sum(n) FILTER (n > 0), 0),
                coalesce(-sum(n) FILTER (n < 0), 0),
                min({time}),
                max({time})
            FROM {net}
            """,  # noqa: S608 (numbers, no names)
        )
    return Changes(int(added), int(removed), first and instant(first), last and instant(last))


def _one(session: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, int, datetime | None, datetime | None]:
    row = session.execute(sql).fetchone()
    assert row is not None  # an aggregate has one row
    added, removed, first, last = row
    return added, removed, first, last
