"""Whether an engine's answer is the one that the definition gives, in every part of its promise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from asgard_pipelines.features.point_in_time.engine import Engine, Found, JoinedRows, Lookup
from asgard_pipelines.lakehouse import Source
from asgard_pipelines_tests.contracts.cases import TIME, Case, Question
from asgard_pipelines_tests.contracts.columns import plain
from asgard_pipelines_tests.contracts.oracle import Row, answers, moment

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def assert_conforms(engine: Engine, case: Case, sources: Sequence[Source]) -> None:
    """`sources` hold what the feeds of the case hold, one by one."""
    lookups = [lookup(question, sources[question.feed]) for question in case.questions]
    joined = engine.join(case.table, TIME, lookups, filter_by_created=case.filter_by_created)
    try:
        table = joined.table()
        _rows_stand(joined, table, case)
        for question in case.questions:
            _found_what_the_definition_gives(joined.found[question.name], table, case, question)
        assert set(joined.reads) == {one.source.pin for one in lookups}
        assert len(joined.reads) == len(set(joined.reads))
    finally:
        joined.close()


def lookup(question: Question, source: Source) -> Lookup:
    rule = question.rule
    return Lookup(
        name=question.name,
        source=source,
        keys=rule.keys,
        timestamp=rule.timestamp,
        columns=question.columns,
        created_timestamp=rule.created_timestamp,
        ttl=rule.ttl,
        ties=rule.ties,
    )


def _rows_stand(joined: JoinedRows, table: pa.Table, case: Case) -> None:
    """As many rows as were asked, in their places, in the types promised; batches say what the table says."""
    given = [
        pa.field(name, plain(case.feeds[question.feed].columns[of]))
        for question in case.questions
        for name, of in question.columns.items()
    ]
    assert joined.num_rows == table.num_rows == len(case.asked)
    assert joined.schema == table.schema == pa.schema([*case.schema, *given])
    for name in case.schema.names:
        assert same(table[name], case.table[name]), name
    batches = list(joined.batches())
    assert all(batch.schema == table.schema for batch in batches)
    again = pa.Table.from_batches(batches, table.schema)
    assert all(same(again[name], table[name]) for name in table.column_names)


def _found_what_the_definition_gives(found: Found, table: pa.Table, case: Case, question: Question) -> None:
    feed = case.feeds[question.feed]
    expected = answers(case.asked, TIME, feed.rows, question.rule, case.filter_by_created)
    columns = [comparable(table[name]) for name in question.columns]
    for place, allowed in enumerate(expected):
        got = tuple(column[place] for column in columns)
        assert got in _given(allowed, question, case), (
            f"{question.name}, row {place}: {case.asked[place]} got {got}"
        )
    hits = [allowed[0] for allowed in expected if allowed]
    assert math.isclose(found.coverage, len(hits) / len(expected) if expected else 0.0)
    newest = max((moment(row[question.rule.timestamp]) for row in hits), default=None)
    assert found.newest == (None if newest is None else _EPOCH + timedelta(microseconds=newest))


def _given(allowed: list[Row], question: Question, case: Case) -> list[tuple[Any, ...]]:
    """The values of each of the rows that may have been given; nulls when there is none."""
    kinds = case.feeds[question.feed].columns
    return [
        tuple(_value(row[of], plain(kinds[of])) for of in question.columns.values()) for row in allowed
    ] or [(None,) * len(question.columns)]


def same(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    return one.type == other.type and comparable(one) == comparable(other)


def comparable(column: pa.ChunkedArray) -> list[Any]:
    """Values that `==` tells apart as it should: NaN is NaN, a time its microseconds."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        bits = pa.int32() if pa.types.is_date32(kind) else pa.int64()
        return list(column.cast(bits).to_pylist())
    return [_value(value, kind) for value in column.to_pylist()]


def _value(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_date(kind):
        return moment(value) // 86_400_000_000
    if pa.types.is_timestamp(kind):
        return moment(value)
    if isinstance(value, list):
        return tuple(_value(item, kind.value_type) for item in value)
    return "NaN" if isinstance(value, float) and math.isnan(value) else value
