"""Commits that carry an idempotency key and are tried until they land or conflict for good."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar
from uuid import uuid4

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError, ValidationException
from pyiceberg.expressions import BooleanExpression
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, Transaction
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import (
    AssertRefSnapshotId,
    AssertTableUUID,
    SetPropertiesUpdate,
    TableRequirement,
)
from pyiceberg.transforms import DayTransform, MonthTransform, Transform
from sqlalchemy.exc import OperationalError  # PyIceberg's SQL catalog lets it through

from asgard_pipelines.errors import BackendUnavailable, ColumnNotFound, Conflict, Invalid
from asgard_pipelines.lakehouse.catalog import Catalog, PinnedTable, snapshot_of, summary_of
from asgard_pipelines.lakehouse.data_files import DataFiles, Rows
from asgard_pipelines.lakehouse.filters import expression
from asgard_pipelines.lakehouse.history import KEY, WRITER, with_key
from asgard_pipelines.lakehouse.pins import Pin, Predicate
from asgard_pipelines.lakehouse.reads import plan
from asgard_pipelines.lakehouse.row_types import shed, stored_schema

Properties: TypeAlias = Mapping[str, str] | Callable[[], Mapping[str, str]]
"""Properties for a snapshot's summary; a callable makes them once the rows are written."""

TableProperties: TypeAlias = Mapping[str, str] | Callable[[Mapping[str, str]], Mapping[str, str]]
"""Properties to set; a callable makes them from those that stand, anew for each try."""

_T = TypeVar("_T")
_TRANSFORMS: dict[str, Callable[[], Transform[Any, Any]]] = {"month": MonthTransform, "day": DayTransform}
_NEW_TABLE = {"format-version": "2", "commit.retry.num-retries": "50"}
_LONGEST_WAIT = 1.0


@dataclass(frozen=True)
class Commit:
    """`pin` is the snapshot, `rows` how many it added; `landed` is False when the key stood already."""

    pin: Pin
    rows: int
    landed: bool


class BaseMoved(Conflict):
    """The table does not stand at the snapshot any more that a commit was computed for."""


class Writer:
    """Writes to a catalog's tables; gives up on a commit after `seconds`."""

    def __init__(self, catalog: Catalog, seconds: float) -> None:
        self._catalog = catalog
        self._seconds = seconds

    def append(
        self, table: str, rows: Rows, key: str, properties: Mapping[str, str], partition_by: str | None
    ) -> Commit:
        name = self._catalog.qualified(table)
        data = DataFiles(name, rows)

        def stage(transaction: Transaction, summary: dict[str, str], table: Table | None) -> None:
            _add(transaction, data.files(transaction), dict(properties) | summary)

        return self._write(name, data, key, stage, partition_by)

    def overwrite(
        self,
        table: str,
        rows: Rows,
        where: Sequence[Predicate],
        key: str,
        properties: Properties,
        table_properties: TableProperties,
        partition_by: str | None,
        base: Pin | None,
        other_columns: bool,
    ) -> Commit:
        name = self._catalog.qualified(table)
        data = DataFiles(name, rows)

        def stage(transaction: Transaction, summary: dict[str, str], table: Table | None) -> None:
            _need_base(name, table, base)
            if other_columns:
                shed(transaction, data.schema)
            files = data.files(transaction)
            condition = expression(where, transaction.table_metadata.schema(), name)
            summary = dict(properties() if callable(properties) else properties) | summary
            # PyIceberg warns of a delete that finds nothing to remove
            if table is not None and _any_file(name, table, transaction, condition):
                transaction.delete(condition, summary)
            _add(transaction, files, summary)
            _set_properties(transaction, table_properties)

        return self._write(name, data, key, stage, partition_by)

    def set_properties(self, table: str, properties: TableProperties, base: Pin | None) -> None:
        name = self._catalog.qualified(table)

        def attempt() -> None:
            held = self._catalog.load(name)
            _need_base(name, held, base)
            requirements: tuple[TableRequirement, ...] = (AssertTableUUID(uuid=held.metadata.table_uuid),)
            if base is not None:
                requirements += (AssertRefSnapshotId(ref=MAIN_BRANCH, snapshot_id=base.snapshot_id),)
            wanted = dict(properties(held.properties) if callable(properties) else properties)
            if any(held.properties.get(name) != value for name, value in wanted.items()):
                self._catalog.iceberg.commit_table(held, requirements, (SetPropertiesUpdate(updates=wanted),))

        self._until_landed(name, attempt)

    def tag(self, pin: Pin, tag: str) -> None:
        """Raises SnapshotNotFound; Conflict when the tag names another snapshot."""

        def attempt() -> None:
            table = self._catalog.load(pin.table)
            if pin.snapshot_id is None:
                raise Invalid(f"Table '{pin.table}' has no snapshot to tag.", table=pin.table)
            snapshot_of(table, pin.snapshot_id)
            standing = table.refs().get(tag)
            if standing is None:
                table.manage_snapshots().create_tag(pin.snapshot_id, tag).commit()
            elif standing.snapshot_id != pin.snapshot_id:
                raise Conflict(
                    f"Tag '{tag}' of '{pin.table}' names {standing.snapshot_id}, not {pin.snapshot_id}.",
                    table=pin.table,
                    tag=tag,
                )

        self._until_landed(pin.table, attempt)

    def untag(self, name: str, tags: Sequence[str]) -> None:
        def attempt() -> None:
            table = self._catalog.load(name)
            change = table.manage_snapshots()
            there = [tag for tag in tags if tag in tags_of(table)]
            for tag in there:
                change = change.remove_tag(tag)
            if there:
                change.commit()

        self._until_landed(name, attempt)

    def find(self, name: str, key: str) -> Pin | None:
        table = self._catalog.find(name)
        snapshot = table and with_key(table, key)
        return Pin(self._catalog.qualified(name), snapshot.snapshot_id) if snapshot else None

    def _write(
        self,
        name: str,
        data: DataFiles,
        key: str,
        stage: Callable[[Transaction, dict[str, str], Table | None], None],
        partition_by: str | None,
    ) -> Commit:
        writer = uuid4().hex

        def attempt() -> Commit:
            table = self._catalog.find(name)
            if standing := table and with_key(table, key):
                return _commit(name, standing, writer)
            transaction = _once(table) if table else self._creation(name, data, partition_by)
            stage(transaction, {KEY: key, WRITER: writer}, table)
            landed = transaction.commit_transaction().current_snapshot()
            assert landed is not None  # what was just committed
            return _commit(name, landed, writer)

        return self._until_landed(name, attempt)

    def _creation(self, name: str, data: DataFiles, partition_by: str | None) -> Transaction:
        self._catalog.make_namespace_of(name)
        schema = stored_schema(data.schema)
        transaction = self._catalog.iceberg.create_table_transaction(name, schema, properties=_NEW_TABLE)
        if partition_by is not None:
            column, transform = _partition(partition_by, schema, name)
            with transaction.update_spec() as update:
                update.add_field(column, transform, f"{column}_{partition_by.split('(')[0]}")
        return transaction

    def _until_landed(self, name: str, attempt: Callable[[], _T]) -> _T:
        deadline: float | None = None  # counts from the first failure: writing the files may take long
        for wait in _waits():
            try:
                return attempt()
            except (CommitFailedException, TableAlreadyExistsError, ValidationException) as error:
                deadline = deadline or time.monotonic() + self._seconds
                if time.monotonic() > deadline:
                    raise Conflict(
                        f"Others write '{name}' all the time: gave up after {self._seconds:g} s.",
                        table=name,
                    ) from error
            except OperationalError as error:
                deadline = deadline or time.monotonic() + self._seconds
                if time.monotonic() > deadline:
                    raise BackendUnavailable(f"The catalog fails: {error.orig}.", table=name) from error
            time.sleep(wait)
        raise AssertionError("waits do not end")


def tags_of(table: Table) -> dict[str, int]:
    return {
        name: ref.snapshot_id
        for name, ref in table.refs().items()
        if ref.snapshot_ref_type == SnapshotRefType.TAG
    }


def _need_base(name: str, table: Table | None, base: Pin | None) -> None:
    """Raises BaseMoved."""
    if base is None:
        return
    current = table.current_snapshot() if table else None
    if (current.snapshot_id if current else None) != base.snapshot_id:
        raise BaseMoved(f"Table '{name}' does not stand at {base.snapshot_id} any more.", table=name)


def _commit(name: str, snapshot: Snapshot, writer: str) -> Commit:
    summary = summary_of(snapshot)
    pin = Pin(name, snapshot.snapshot_id)
    return Commit(pin, int(summary.get("added-records", "0")), landed=summary.get(WRITER) == writer)


def _once(table: Table) -> Transaction:
    """A transaction that PyIceberg tries once: each of our tries has to look for the key first."""
    properties = dict(table.metadata.properties) | {"commit.retry.num-retries": "0"}
    table.metadata = table.metadata.model_copy(update={"properties": properties})
    return table.transaction()


def _add(transaction: Transaction, files: Sequence[DataFile], summary: dict[str, str]) -> None:
    with transaction._append_snapshot_producer(summary) as snapshot:
        for file in files:
            snapshot.append_data_file(file)


def _any_file(name: str, table: Table, transaction: Transaction, condition: BooleanExpression) -> bool:
    """Raises Unsupported."""
    current = table.current_snapshot()
    pin = Pin(name, current.snapshot_id if current else None)
    return bool(plan(PinnedTable(pin, transaction.table_metadata, table.io), condition))


def _set_properties(transaction: Transaction, properties: TableProperties) -> None:
    if callable(properties):
        properties = properties(transaction.table_metadata.properties)
    if properties:
        transaction.set_properties(dict(properties))


def _partition(written: str, schema: pa.Schema, table: str) -> tuple[str, Transform[Any, Any]]:
    match = re.fullmatch(r"(month|day)\((\w+)\)", written)
    if match is None:
        raise Invalid(
            f"Partition '{written}' of '{table}' has to be month(COLUMN) or day(COLUMN).", table=table
        )
    transform, column = match.groups()
    if column not in schema.names:
        raise ColumnNotFound(column, schema.names, table=table)
    return column, _TRANSFORMS[transform]()


def _waits() -> Iterator[float]:
    longest = 0.01
    while True:
        yield random.uniform(0, longest)  # noqa: S311 (jitter, no secret)
        longest = min(_LONGEST_WAIT, longest * 2)
