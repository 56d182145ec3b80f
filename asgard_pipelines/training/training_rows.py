"""The rows a model learns from: as the source has them, and as a training set keeps them."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.declarations import ResolvedModel
from asgard_pipelines.errors import ColumnNotFound, Invalid, TypeMismatch
from asgard_pipelines.lakehouse import Lakehouse, OneOf, Pin, TimeRange
from asgard_pipelines.training.labels import normalised
from asgard_pipelines.training.training_set import SPLIT, TrainingSet


def source_rows(lakehouse: Lakehouse, resolved: ResolvedModel, pin: Pin) -> pa.Table:
    """Time, entity and label of the rows that have a label and lie in the window, sorted by them.

    Raises:
        ColumnNotFound, TypeMismatch: the source lacks a column, or has it in another kind; a feature is
            of a kind that cannot be learnt from.
        Invalid: a feature has the name of one of those columns.
    """
    data = resolved.model.training_data
    columns = list(dict.fromkeys([*identity_columns(resolved), data.label_column]))
    _check_names(resolved, columns)
    _check_kinds(resolved)
    schema = lakehouse.schema(pin)
    for column in columns:
        if column not in schema.names:
            raise ColumnNotFound(column, schema.names, table=pin.table)
    kind = schema.field(data.event_timestamp_column).type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise TypeMismatch(
            f"Column '{data.event_timestamp_column}' of '{pin.table}' is {kind}, not a timestamp.",
            column=data.event_timestamp_column,
            table=pin.table,
            found=str(kind),
        )
    end = None if data.end_date is None else data.end_date + timedelta(microseconds=1)
    window = TimeRange(data.event_timestamp_column, data.start_date, end)
    rows = lakehouse.read_table(pin, columns, [window])
    label = normalised(rows.column(data.label_column), data.label_column, resolved.model.model_type)
    timed = pc.is_valid(rows.column(data.event_timestamp_column))
    rows = rows.filter(pc.and_(pc.is_valid(label), timed))
    return rows.sort_by([(column, "ascending") for column in columns])


def _check_names(resolved: ResolvedModel, columns: list[str]) -> None:
    clash = {*columns, SPLIT} & set(_feature_columns(resolved)) or {SPLIT} & set(columns)
    if clash:
        raise Invalid(
            f"The training set of '{resolved.model.name}' cannot have two columns '{sorted(clash)[0]}': "
            f"a feature's name must differ from the source's columns and from '{SPLIT}'.",
            columns=sorted(clash),
        )


def _check_kinds(resolved: ResolvedModel) -> None:
    for ref in resolved.features:
        if ref.dtype.startswith("array<"):
            raise TypeMismatch(
                f"Feature '{ref.feature}' of '{ref.view}' is {ref.dtype}, and no estimator takes arrays: "
                f"name a `feature_service` for '{resolved.model.name}' that leaves it out.",
                column=ref.feature,
                declared=ref.dtype,
            )


def training_rows(
    lakehouse: Lakehouse, resolved: ResolvedModel, training_set: TrainingSet, part: str
) -> pa.Table:
    """The rows of one part (`train`, `gap`, `test`) at the training set's snapshot, in one order.

    The order is that of their values, so that fitting does not depend on how files were read.
    """
    pin = Pin(training_set.table, training_set.snapshot_id)
    rows = lakehouse.read_table(pin, column_names(resolved), [OneOf(SPLIT, (part,))])
    return in_order(resolved, rows)


def in_order(resolved: ResolvedModel, rows: pa.Table) -> pa.Table:
    """A training set's rows by their values, in the columns that a model is fitted on."""
    columns = column_names(resolved)
    return rows.select(columns).sort_by([(column, "ascending") for column in columns])


def column_names(resolved: ResolvedModel) -> list[str]:
    """A training set's columns, but for the split: time, entity, label, features."""
    label = resolved.model.training_data.label_column
    return list(dict.fromkeys([*identity_columns(resolved), label, *_feature_columns(resolved)]))


def identity_columns(resolved: ResolvedModel) -> list[str]:
    """The columns that say which row it is: time, then entity."""
    return [resolved.model.training_data.event_timestamp_column, *resolved.entity_columns]


def _feature_columns(resolved: ResolvedModel) -> list[str]:
    return [ref.feature for ref in resolved.features]
