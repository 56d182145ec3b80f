"""Assembling a training set: rows, labels and features at pinned snapshots, split; nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.declarations import Declarations, ResolvedModel
from asgard_pipelines.errors import Conflict, Invalid
from asgard_pipelines.features import Joined, historical_features
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.settings import Settings
from asgard_pipelines.training.content import ContentHash
from asgard_pipelines.training.division import divide
from asgard_pipelines.training.split import NAMES, Parts
from asgard_pipelines.training.training_rows import source_rows
from asgard_pipelines.training.training_set import SPLIT

_MINUTE = "%Y-%m-%d %H:%M"


class Assembled:
    """A training set's rows. `rows` are the source's (time, entity, label), `parts` says which part each
    is in, `joined` has their features until it is closed, `reads` the snapshot id of each table read."""

    def __init__(self, rows: pa.Table, parts: Parts, joined: Joined, reads: dict[str, int]) -> None:
        self.rows, self.parts, self.joined, self.reads = rows, parts, joined, reads
        self.schema: pa.Schema = joined.schema.append(pa.field(SPLIT, pa.string()))
        self._content_hash: str | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Time, entity, label, features and split, a bounded number of rows at a time, as often as asked;
        they are hashed as they pass."""
        names, start, content = np.array(NAMES), 0, ContentHash(self.schema)
        for joined in self.joined.batches():
            parts = self.parts[start : start + joined.num_rows]
            batch = joined.append_column(SPLIT, pa.array(names[parts]))
            content.update(batch)
            yield batch
            start += joined.num_rows
        self._content_hash = content.hexdigest()

    def reader(self) -> pa.RecordBatchReader:
        """`batches`, from their beginning."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches())

    @property
    def content_hash(self) -> str:
        """Of the batches, which were read to their end before."""
        assert self._content_hash is not None
        return self._content_hash

    def count(self, part: int) -> int:
        return int(np.sum(self.parts == part))

    def close(self) -> None:
        """Lets go of what the join holds."""
        self.joined.close()


def assemble(
    settings: Settings,
    lakehouse: Lakehouse,
    declarations: Declarations,
    resolved: ResolvedModel,
    pins: Mapping[str, Pin],
) -> Assembled:
    """The source's rows whose time lies in the window and whose label is there, with the features as of
    each row's time, divided as the model declares.

    Args:
        pins: a snapshot of every one of `resolved.tables`.

    Raises:
        ColumnNotFound, TypeMismatch: the source lacks a column, or has it in another kind.
        NotEnoughSamples: no rows, or nothing left to train on or to test on.
        Invalid: no row has a feature within its view's TTL, or all rows have one time.
    """
    rows = source_rows(lakehouse, resolved, pins[resolved.source])
    parts = divide(resolved, rows)
    time = resolved.model.training_data.event_timestamp_column
    joined = historical_features(settings, lakehouse, declarations, rows, time, resolved.features, pins)
    assembled = Assembled(rows, parts, joined, _read(pins[resolved.source], joined))
    if joined.coverage and max(joined.coverage.values()) == 0:
        assembled.close()
        raise _uncovered(lakehouse, declarations, resolved, pins, rows, joined.coverage)
    return assembled


def _uncovered(
    lakehouse: Lakehouse,
    declarations: Declarations,
    resolved: ResolvedModel,
    pins: Mapping[str, Pin],
    rows: pa.Table,
    coverage: Mapping[str, float],
) -> Invalid:
    times = rows.column(resolved.model.training_data.event_timestamp_column)
    reasons = []
    for view in map(declarations.view, coverage):
        newest = lakehouse.newest(pins[view.table], view.timestamp)
        holds = f"has rows up to {newest:{_MINUTE}}" if newest else "is empty"
        reasons.append(f"'{view.name}' {holds} and " + (f"a TTL of {view.ttl}" if view.ttl else "no TTL"))
    return Invalid(
        f"No row of '{resolved.source}' has a feature found within its TTL. The rows' times are "
        f"{pc.min(times).as_py():{_MINUTE}} to {pc.max(times).as_py():{_MINUTE}}; {'; '.join(reasons)}. "
        "Lengthen the TTL, let the views' tables reach back to the rows, or compare the join keys.",
        feature_coverage=dict(coverage),
    )


def _read(source: Pin, joined: Joined) -> dict[str, int]:
    """Raises Conflict: one table was read at two snapshots."""
    read: dict[str, int] = {}
    for pin in [source, *joined.reads]:
        if pin.snapshot_id is not None and read.setdefault(pin.table, pin.snapshot_id) != pin.snapshot_id:
            raise Conflict(
                f"'{pin.table}' was read at two snapshots, {read[pin.table]} and {pin.snapshot_id}."
            )
    return read
