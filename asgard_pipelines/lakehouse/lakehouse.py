"""The lakehouse as other rooms see it: tables, snapshots, pinned reads, keyed commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from asgard_pipelines.errors import TableNotFound
from asgard_pipelines.lakehouse import reads
from asgard_pipelines.lakehouse.catalog import Catalog, TableState, snapshot_of, summary_of
from asgard_pipelines.lakehouse.commits import Commit, Properties, TableProperties, Writer, tags_of
from asgard_pipelines.lakehouse.data_files import Rows
from asgard_pipelines.lakehouse.file_difference import FileDifference, FileFigures, table_figures
from asgard_pipelines.lakehouse.history import as_of, descends
from asgard_pipelines.lakehouse.other_catalog import OtherCatalog
from asgard_pipelines.lakehouse.picked_files import Tally
from asgard_pipelines.lakehouse.pinned_source import PinnedSource
from asgard_pipelines.lakehouse.pins import Pin, Predicate
from asgard_pipelines.lakehouse.sources import Source
from asgard_pipelines.settings import Settings

if TYPE_CHECKING:
    from asgard_pipelines.lakehouse.changes import Changes
    from asgard_pipelines.lakehouse.statistics import TableStatistics

_COMMIT_SECONDS = 300.0


class Lakehouse:
    """The tables of the configured catalog, which is opened at the first use.

    Every name is accepted as `t`, `schema.t` or `iceberg.schema.t`; names that come back are
    `schema.table`. Rows come back in plain Arrow types, timestamps as naive UTC microseconds.

    Args:
        settings: where the catalog and the warehouse are, how many threads to use.
        catalog: another one than the settings'.
        commit_seconds: how long one commit is tried before it is given up.
    """

    def __init__(
        self, settings: Settings, *, catalog: Catalog | None = None, commit_seconds: float = _COMMIT_SECONDS
    ) -> None:
        self.settings = settings
        self.catalog = catalog or Catalog(settings)
        self._writer = Writer(self.catalog, commit_seconds)

    @classmethod
    def of_catalog(cls, settings: Settings, name: str, properties: Mapping[str, str]) -> Lakehouse:
        """Another catalog's tables, called `catalog.namespace.table`; none can be made there.

        Args:
            properties: what `pyiceberg.catalog.load_catalog(name, **properties)` takes.
        """
        return cls(settings, catalog=OtherCatalog(settings, name, properties))

    def resolve(self, name: str) -> str:
        """`schema.table` of a table that exists. Raises TableNotFound."""
        qualified = self.catalog.qualified(name)
        if not self.catalog.exists(qualified):
            raise TableNotFound(name, self.catalog.names())
        return qualified

    def exists(self, name: str) -> bool:
        return self.catalog.exists(name)

    def tables(self) -> list[TableState]:
        """Every table, sorted by name."""
        return [self.catalog.state(name) for name in self.catalog.names()]

    def state(self, name: str) -> TableState:
        """Raises TableNotFound."""
        return self.catalog.state(name)

    def pin(self, name: str, snapshot_id: int | None = None) -> Pin:
        """The table at a snapshot; the current one by default. Raises TableNotFound, SnapshotNotFound."""
        table = self.catalog.load(name)
        if snapshot_id is not None:
            snapshot_of(table, snapshot_id)
            return Pin(self.catalog.qualified(name), snapshot_id)
        current = table.current_snapshot()
        return Pin(self.catalog.qualified(name), current.snapshot_id if current else None)

    def pin_as_of(self, name: str, instant: datetime) -> Pin:
        """The table as it stood at `instant`: the newest snapshot committed by then (a naive time is UTC).

        Raises:
            TableNotFound
            SnapshotNotFound: the table, or what is left of its history, is younger.
        """
        table = self.catalog.load(name)
        qualified = self.catalog.qualified(name)
        return Pin(qualified, as_of(table, qualified, instant).snapshot_id)

    def schema(self, pin: Pin) -> pa.Schema:
        """Names and plain types of the columns as of that snapshot.

        Raises:
            TableNotFound, SnapshotNotFound
        """
        return self.catalog.pinned(pin).arrow_schema

    def read(
        self, pin: Pin, columns: Sequence[str] | None = None, where: Sequence[Predicate] = ()
    ) -> pa.RecordBatchReader:
        """The pinned table's rows that meet every predicate, as batches, in the order of `columns`.

        Files that cannot hold such rows are not opened, and as many files as there are threads are
        held in memory at once.

        Raises:
            TableNotFound, SnapshotNotFound, ColumnNotFound, TypeMismatch
        """
        return reads.read(self.catalog.pinned(pin), columns, where, self.settings.thread_count)

    def read_table(
        self, pin: Pin, columns: Sequence[str] | None = None, where: Sequence[Predicate] = ()
    ) -> pa.Table:
        """`read`, all of it in memory."""
        return self.read(pin, columns, where).read_all()

    def source(self, pin: Pin, *, where: Sequence[Predicate] = (), tally: Tally | None = None) -> Source:
        """The pinned table's rows by file and place.

        Args:
            where: files that hold no such rows are left out; of the others all rows stand.
            tally: counts what is read.

        Raises:
            TableNotFound, SnapshotNotFound
        """
        return PinnedSource(self.catalog.pinned(pin), where=where, tally=tally)

    def newest(self, pin: Pin, column: str) -> datetime | None:
        """The greatest time in `column` (UTC aware), None when there is none; mostly from file bounds.

        Raises:
            TableNotFound, SnapshotNotFound, ColumnNotFound, TypeMismatch
        """
        return reads.newest(self.catalog.pinned(pin), column)

    def append(
        self,
        table: str,
        rows: Rows,
        *,
        key: str,
        properties: Mapping[str, str] | None = None,
        partition_by: str | None = None,
    ) -> Commit:
        """Add rows in one commit; when a commit with `key` stands already, nothing is done.

        Args:
            rows: a table, or a callable that gives a fresh reader: they are streamed into data files
                first, in bounded memory, and the commit is tried with these. New columns are added
                to the table (null in its older rows), and a column is widened where that loses nothing.
            properties: more properties for the snapshot's summary.
            partition_by: for a table that is made by this commit: `month(COLUMN)` or `day(COLUMN)`.

        Raises:
            TypeMismatch: a column's values do not fit the table.
            Conflict, BackendUnavailable: not landed within the time limit.
        """
        return self._writer.append(table, rows, key, properties or {}, partition_by)

    def overwrite(
        self,
        table: str,
        rows: Rows,
        *,
        where: Sequence[Predicate] = (),
        key: str,
        properties: Properties | None = None,
        table_properties: TableProperties | None = None,
        partition_by: str | None = None,
        base: Pin | None = None,
        other_columns: bool = False,
    ) -> Commit:
        """Replace the rows that meet `where` (none given: all) by `rows`, in one atomic commit.

        `properties` may be a callable, asked once the rows are written. `table_properties` are set in the
        same commit; a callable makes them from those that stand. With `base`, only while the table stands
        at that pin, else BaseMoved. With `other_columns`, when all rows are replaced, the table has the
        rows' columns from then on: others end, and one of another kind is made anew. Otherwise as `append`.
        """
        return self._writer.overwrite(
            table,
            rows,
            where,
            key,
            properties or {},
            table_properties or {},
            partition_by,
            base,
            other_columns,
        )

    def set_properties(self, table: str, properties: TableProperties, *, base: Pin | None = None) -> None:
        """Set table properties; no snapshot is made. `base` as for `overwrite`.

        Raises:
            TableNotFound
            BaseMoved: the table stands elsewhere than at `base`.
        """
        self._writer.set_properties(table, properties, base)

    def summary(self, pin: Pin) -> dict[str, str]:
        """The snapshot's summary, `operation` among it; empty for a table without a snapshot."""
        snapshot = self.catalog.pinned(pin).snapshot
        return summary_of(snapshot) if snapshot else {}

    def committed_at(self, pin: Pin) -> datetime | None:
        """When the snapshot was made (UTC); None for a table without one."""
        snapshot = self.catalog.pinned(pin).snapshot
        return datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC) if snapshot else None

    def find(self, table: str, key: str) -> Pin | None:
        """The snapshot whose commit carries `key`, among the ancestors of the current one."""
        return self._writer.find(table, key)

    def tag(self, pin: Pin, name: str) -> None:
        """Name a snapshot, which then never expires. Raises SnapshotNotFound, Conflict when taken."""
        self._writer.tag(pin, name)

    def tags(self, table: str) -> dict[str, int]:
        """Tag -> snapshot id. Raises TableNotFound."""
        return tags_of(self.catalog.load(table))

    def untag(self, table: str, names: Sequence[str]) -> None:
        """Takes tags away; those that are not there do not matter. Raises TableNotFound."""
        self._writer.untag(self.catalog.qualified(table), names)

    def descends(self, pin: Pin, snapshot_id: int, *, by_appends: bool = False) -> bool:
        """Whether the pinned state was made from that snapshot's, or is it; `by_appends`: and has all of its
        rows. Raises TableNotFound."""
        table = self.catalog.load(pin.table)
        return descends(table, pin.snapshot_id, snapshot_id, by_appends=by_appends)

    def difference(self, before: Pin | None, after: Pin) -> FileDifference:
        """Which data files came and went, and by them which rows. `before` None: the table held nothing.

        Raises:
            TableNotFound, SnapshotNotFound
        """
        if before is None:
            return FileDifference(None, self.catalog.pinned(after))
        return FileDifference(*self.catalog.both_pinned(before, after))

    def same_columns(self, before: Pin, after: Pin, columns: Sequence[str]) -> bool:
        """Whether both snapshots mean the same by these names (a column may have ended and begun anew).

        Raises:
            TableNotFound, SnapshotNotFound
        """
        both = self.catalog.both_pinned(before, after)
        known = [{field.name: field.field_id for field in table.schema.fields} for table in both]
        return all(known[0].get(column) == known[1].get(column) for column in columns)

    def figures(
        self, pin: Pin, columns: Sequence[str], keys: Sequence[str] = (), where: Sequence[Predicate] = ()
    ) -> FileFigures:
        """Of the files that may hold rows which meet every predicate: how many, their rows, the bytes of
        these columns, and how many keys there can be; from metadata alone.

        Raises:
            TableNotFound, SnapshotNotFound, ColumnNotFound, TypeMismatch
        """
        return table_figures(self.catalog.pinned(pin), columns, keys, where)

    def statistics(self, pin: Pin, columns: Sequence[str], keys: Sequence[str]) -> TableStatistics:
        """Means, deviations, bounds and shares of nulls of `columns`, and how many `keys` differ;
        of a table of millions of rows from metadata and a sample, which the answer says.

        Raises:
            TableNotFound, SnapshotNotFound, ColumnNotFound
        """
        from asgard_pipelines.lakehouse.statistics import statistics  # imports DuckDB

        return statistics(self.catalog.pinned(pin), columns, keys, self.settings.thread_count)

    def changes(self, before: Pin, after: Pin, time_column: str | None) -> Changes:
        """Rows that `after` holds and `before` does not, and the reverse, as multisets.

        Compaction is no change; a restatement has its rows on both sides. `before` without a
        snapshot: every row of `after` was added. Files that both share are not read.

        Raises:
            TableNotFound, SnapshotNotFound, ColumnNotFound, TypeMismatch
        """
        from asgard_pipelines.lakehouse.changes import Changes, changes  # imports DuckDB

        if before == after:
            return Changes(0, 0, None, None)
        return changes(*self.catalog.both_pinned(before, after), time_column, self.settings.thread_count)
