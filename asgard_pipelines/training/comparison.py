"""What differs between two versions: their sources, rows, columns, values, declarations and metrics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.declarations import Record
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.models import ModelVersion
from asgard_pipelines.settings import Settings
from asgard_pipelines.training.content import kind_of
from asgard_pipelines.training.declared_changes import Change, candidate_changes, declared_changes
from asgard_pipelines.training.distributions import Shift, shift
from asgard_pipelines.training.labels import normalised
from asgard_pipelines.training.origin import Origin
from asgard_pipelines.training.reproduction import read_origin
from asgard_pipelines.training.row_matching import RowChanges, row_changes
from asgard_pipelines.training.training_rows import column_names, identity_columns
from asgard_pipelines.training.training_set import TrainingSet


class Side(Record):
    """One of the two versions."""

    version: ModelVersion
    training_set: TrainingSet
    first: datetime | None
    last: datetime | None
    """The least and the greatest time (UTC) of its rows."""


class SourceChange(Record):
    """A table that a side was computed from. A snapshot is None where that side did not read it;
    `added` and `removed` are rows from A's to B's, where both did."""

    table: str
    a: int | None
    b: int | None
    added: int | None = None
    removed: int | None = None


class ColumnChanges(Record):
    """`retyped`: column -> its type in A and in B. Widths of one kind are one type."""

    added: list[str]
    removed: list[str]
    retyped: dict[str, tuple[str, str]]


class Comparison(Record):
    a: Side
    b: Side
    sources: list[SourceChange]
    rows: RowChanges | None
    """None when a row is identified by other columns in B than in A."""
    columns: ColumnChanges
    label: Shift | None
    """None when one model classifies and the other does not."""
    features: list[Shift]
    """Those that both have, the most shifted first."""
    declared: list[Change]
    """What differs in the declarations of the models and their views."""
    candidates: list[Change]
    """What differs in how they were fitted: estimator, hyperparameters, seed, threads, libraries."""
    metrics: dict[str, tuple[float | None, float | None]]
    """Each side's on its own test rows."""


def compare(
    settings: Settings,
    lakehouse: Lakehouse,
    a: ModelVersion,
    b: ModelVersion,
    on_step: Callable[[str], None] = lambda step: None,
) -> Comparison:
    """Compare two versions, of one model or of two. Both training sets are held in memory.

    Args:
        on_step: hears what begins, in a few words.

    Raises:
        Unsupported: a version does not say what it was made from.
        TableNotFound, SnapshotNotFound: a training set or a source is gone.
    """
    origins = read_origin(settings, a), read_origin(settings, b)
    on_step("Comparing the sources")
    sources = _sources(lakehouse, *(origin.training_set.sources for origin in origins))
    on_step("Comparing the rows")
    tables = _rows(lakehouse, origins[0]), _rows(lakehouse, origins[1])
    kept = [name for name in tables[0].column_names if _same_kind(*tables, name)]
    features = [name for name in kept if all(_is_feature(origin, name) for origin in origins)]
    on_step("Comparing the distributions")
    shifts = [shift(name, tables[0][name], tables[1][name]) for name in features]
    return Comparison(
        a=_side(a, origins[0], tables[0]),
        b=_side(b, origins[1], tables[1]),
        sources=sources,
        rows=_row_changes(origins, tables, kept),
        columns=_columns(*tables),
        label=_label(origins, tables),
        features=sorted(shifts, key=lambda one: -one.psi),
        declared=declared_changes(*origins),
        candidates=candidate_changes(*origins),
        metrics={
            name: (a.metrics.get(name), b.metrics.get(name))
            for name in sorted(a.metrics.keys() | b.metrics.keys())
        },
    )


def _rows(lakehouse: Lakehouse, origin: Origin) -> pa.Table:
    training_set = origin.training_set
    pin = Pin(training_set.table, training_set.snapshot_id)
    return lakehouse.read_table(pin, column_names(origin.resolved))


def _same_kind(a: pa.Table, b: pa.Table, column: str) -> bool:
    """Whether both have the column, in one kind."""
    return column in b.column_names and kind_of(a.schema.field(column)) == kind_of(b.schema.field(column))


def _is_feature(origin: Origin, column: str) -> bool:
    return any(ref.feature == column for ref in origin.resolved.features)


def _label(origins: tuple[Origin, Origin], tables: tuple[pa.Table, pa.Table]) -> Shift | None:
    models = [origin.resolved.model for origin in origins]
    if models[0].model_type != models[1].model_type:
        return None
    names = [model.training_data.label_column for model in models]
    labels = [
        normalised(table[name], name, model.model_type)
        for table, name, model in zip(tables, names, models, strict=True)
    ]
    if models[0].model_type == "classification":
        labels = [label.cast(pa.string()) for label in labels]
    return shift(names[0], *labels)


def _side(version: ModelVersion, origin: Origin, rows: pa.Table) -> Side:
    times = pc.min_max(
        rows[origin.resolved.model.training_data.event_timestamp_column].cast(pa.timestamp("us"))
    ).as_py()
    first, last = times["min"], times["max"]
    return Side(
        version=version,
        training_set=origin.training_set,
        first=first and first.replace(tzinfo=UTC),
        last=last and last.replace(tzinfo=UTC),
    )


def _sources(lakehouse: Lakehouse, a: dict[str, int], b: dict[str, int]) -> list[SourceChange]:
    found = []
    for table in sorted(a.keys() | b.keys()):
        source = SourceChange(table=table, a=a.get(table), b=b.get(table))
        if source.a is not None and source.b is not None:
            changes = lakehouse.changes(Pin(table, source.a), Pin(table, source.b), None)
            source = source.model_copy(update={"added": changes.added, "removed": changes.removed})
        found.append(source)
    return found


def _row_changes(
    origins: tuple[Origin, Origin], tables: tuple[pa.Table, pa.Table], kept: list[str]
) -> RowChanges | None:
    identity = identity_columns(origins[0].resolved)
    if sorted(identity) != sorted(identity_columns(origins[1].resolved)) or not set(identity) <= set(kept):
        return None
    return row_changes(*tables, identity, [name for name in kept if name not in identity])


def _columns(a: pa.Table, b: pa.Table) -> ColumnChanges:
    both = [name for name in a.column_names if name in b.column_names]
    return ColumnChanges(
        added=[name for name in b.column_names if name not in both],
        removed=[name for name in a.column_names if name not in both],
        retyped={
            name: (str(a.schema.field(name).type), str(b.schema.field(name).type))
            for name in both
            if not _same_kind(a, b, name)
        },
    )
