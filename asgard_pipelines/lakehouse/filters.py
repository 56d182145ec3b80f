"""Predicates as PyIceberg expressions, with literals of the column's own type."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pyiceberg.expressions import (
    AlwaysFalse,
    AlwaysTrue,
    And,
    BooleanExpression,
    GreaterThanOrEqual,
    In,
    LessThan,
    LessThanOrEqual,
    Or,
)
from pyiceberg.schema import Schema
from pyiceberg.types import DateType, PrimitiveType, TimestampType, TimestamptzType

from asgard_pipelines.errors import ColumnNotFound, TypeMismatch
from asgard_pipelines.lakehouse.pins import AnyOf, Between, OneOf, Predicate, TimeRange


def naive_utc(instant: datetime) -> datetime:
    """The same instant without a zone, meaning UTC; a naive one is UTC already."""
    return instant if instant.tzinfo is None else instant.astimezone(UTC).replace(tzinfo=None)


def aware_utc(instant: datetime) -> datetime:
    """The same instant with the zone UTC; a naive one is UTC already."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def expression(predicates: Sequence[Predicate], schema: Schema, table: str) -> BooleanExpression:
    """The AND of `predicates` over a table of this schema.

    Raises:
        ColumnNotFound: a predicate names no column of it.
        TypeMismatch: a time range over a column that holds no times.
    """
    result: BooleanExpression = AlwaysTrue()
    for predicate in predicates:
        result = And(result, _one(predicate, schema, table))
    return result


def _one(predicate: Predicate, schema: Schema, table: str) -> BooleanExpression:
    if isinstance(predicate, AnyOf):
        result: BooleanExpression = AlwaysFalse()
        for alternative in predicate.predicates:
            result = Or(result, _one(alternative, schema, table))
        return result
    kind = column_kind(schema, predicate.column, table)
    if isinstance(predicate, OneOf):
        return In(term=predicate.column, literals={_value(value, kind) for value in predicate.values})
    if isinstance(predicate, Between):
        return And(
            GreaterThanOrEqual(term=predicate.column, value=predicate.low),
            LessThanOrEqual(term=predicate.column, value=predicate.high),
        )
    return _range(predicate, kind, table)


def _range(predicate: TimeRange, kind: PrimitiveType, table: str) -> BooleanExpression:
    if not isinstance(kind, TimestampType | TimestamptzType | DateType):
        raise TypeMismatch(
            f"Column '{predicate.column}' of '{table}' is {kind}: a time range needs a timestamp or a date.",
            column=predicate.column,
            table=table,
            found=str(kind),
        )
    result: BooleanExpression = AlwaysTrue()
    if predicate.start is not None:
        result = And(result, GreaterThanOrEqual(term=predicate.column, value=_bound(predicate.start, kind)))
    if predicate.end is not None:
        result = And(result, LessThan(term=predicate.column, value=_bound(predicate.end, kind)))
    return result


def column_kind(schema: Schema, column: str, table: str) -> PrimitiveType:
    """The type of a column that can be compared. Raises ColumnNotFound, TypeMismatch."""
    field = next((field for field in schema.fields if field.name == column), None)
    if field is None:
        raise ColumnNotFound(column, [f.name for f in schema.fields], table=table)
    if not isinstance(field.field_type, PrimitiveType):
        raise TypeMismatch(
            f"Column '{column}' of '{table}' is {field.field_type}, which cannot be compared.",
            column=column,
            table=table,
        )
    return field.field_type


def _bound(instant: datetime, kind: PrimitiveType) -> Any:
    if isinstance(kind, DateType):  # a date is its midnight: the first one not before the instant
        naive = naive_utc(instant)
        return naive.date() if naive == _midnight(naive) else naive.date() + timedelta(days=1)
    return _value(instant, kind)


def _midnight(instant: datetime) -> datetime:
    return datetime(instant.year, instant.month, instant.day)


def _value(value: Any, kind: PrimitiveType) -> Any:
    if not isinstance(value, datetime):
        return value
    if isinstance(kind, TimestamptzType):
        return aware_utc(value)
    return value.date() if isinstance(kind, DateType) else naive_utc(value)


def instant(value: datetime | date) -> datetime:
    """A column's time value as an aware UTC instant; a date is its midnight."""
    if isinstance(value, datetime):
        return aware_utc(value)
    return datetime(value.year, value.month, value.day, tzinfo=UTC)
