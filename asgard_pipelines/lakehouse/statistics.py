"""What the values of a table's columns are like: exactly, or of a big one from metadata and a sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.table import FileScanTask
from pyiceberg.types import PrimitiveType, StringType

from asgard_pipelines.lakehouse.catalog import PinnedTable
from asgard_pipelines.lakehouse.pinned_source import PinnedSource
from asgard_pipelines.lakehouse.reads import batches, plan, projected
from asgard_pipelines.lakehouse.session import connect
from asgard_pipelines.lakehouse.sources import DataFile

EXACT_ROWS = 5_000_000
"""A table of no more rows is read whole."""
_SAMPLE_ROWS = 1_000_000
_SAMPLE_FILES = 20
_TOO_LARGE = 1e150
"""Of larger numbers the squares are no doubles any more: they have no deviation."""


@dataclass(frozen=True)
class ColumnStatistics:
    """`nulls` is their share. `mean` and `std` are of finite numbers (true is 1), null for what is none;
    `least` and `greatest` are None for lists."""

    mean: float | None
    std: float | None
    least: Any
    greatest: Any
    nulls: float


@dataclass(frozen=True)
class TableStatistics:
    """`exact`: every row was read. Else rows, nulls and bounds are the metadata's, the rest is of
    `sampled_rows` rows, from parts spread over the table, and `keys` is an estimate."""

    rows: int
    keys: int
    columns: dict[str, ColumnStatistics]
    exact: bool
    sampled_rows: int


def statistics(
    table: PinnedTable,
    columns: Sequence[str],
    keys: Sequence[str],
    threads: int,
    exact_rows: int = EXACT_ROWS,
) -> TableStatistics:
    """Of `columns`, and how many different `keys` there are (1 where there are no key columns).

    Raises:
        ColumnNotFound
    """
    names = list(dict.fromkeys([*keys, *columns]))
    projection = projected(table, names)
    tasks = plan(table, AlwaysTrue())
    rows = sum(task.file.record_count for task in tasks)
    if rows <= exact_rows:
        return _of(batches(table, tasks, projection, AlwaysTrue(), names), columns, keys, threads)
    plain = pa.schema([table.arrow_schema.field(name) for name in names])
    sample = pa.RecordBatchReader.from_batches(plain, _sample(PinnedSource(table).files([]), names))
    found = _of(sample, columns, keys, threads, singles=True)
    told = {name: _told(table, tasks, name, rows, one) for name, one in found.columns.items()}
    return TableStatistics(rows, _estimate(found, rows), told, False, found.sampled_rows)


@dataclass(frozen=True)
class _Sampled(TableStatistics):
    single_keys: int = 0
    """That stand in the sample once."""


def _of(
    reader: pa.RecordBatchReader,
    columns: Sequence[str],
    keys: Sequence[str],
    threads: int,
    singles: bool = False,
) -> _Sampled:
    """In one pass. The text holds no names: only the columns' numbers."""
    place = {name: f"c{number}" for number, name in enumerate(reader.schema.names)}
    kinds = {name: reader.schema.field(name).type for name in columns}
    wanted = ["count(*)"]
    for name in columns:
        wanted += _aggregates(place[name], kinds[name])
    key = ", ".join(place[name] for name in keys)
    with connect(threads) as session:
        renamed = pa.schema([pa.field(place[field.name], field.type) for field in reader.schema])
        stream = (pa.RecordBatch.from_arrays(batch.columns, schema=renamed) for batch in reader)
        session.register("incoming", pa.RecordBatchReader.from_batches(renamed, stream))
        if singles:  # a reader can be read once, and the sample is small
            session.execute("CREATE TEMP TABLE read AS SELECT * FROM incoming")
        source = "read" if singles else "incoming"
        distinct = f"count(DISTINCT ({key}))" if key else "least(count(*), 1)"
        found = session.execute(f"SELECT {', '.join([distinct, *wanted])} FROM {source}").fetchone()  # noqa: S608
        assert found is not None  # an aggregate has one row
        once = 0
        if singles and key:
            counted = f"SELECT count(*) FROM (SELECT 1 FROM read GROUP BY {key} HAVING count(*) = 1)"  # noqa: S608
            once = int((session.execute(counted).fetchone() or (0,))[0])
    distinct_keys, rows, *values = found
    told = {}
    for number, name in enumerate(columns):
        mean, std, least, greatest, present = values[5 * number : 5 * number + 5]
        told[name] = ColumnStatistics(mean, std, least, greatest, (rows - present) / rows if rows else 0.0)
    return _Sampled(rows, int(distinct_keys), told, True, rows, once)


def _aggregates(column: str, kind: pa.DataType) -> list[str]:
    """Mean, deviation, least, greatest, how many there are."""
    present = f"count({column})"
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        return ["NULL", "NULL", "NULL", "NULL", present]
    bounds = [f"min({column})", f"max({column})"]
    number = f"CAST({column} AS DOUBLE)"
    if pa.types.is_floating(kind):
        finite = f"FILTER (WHERE isfinite({column}))"
        bounds = [f"{one} {finite}" for one in bounds]
    elif pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind):
        if pa.types.is_boolean(kind):
            number = f"CAST(CAST({column} AS INTEGER) AS DOUBLE)"
    else:
        return ["NULL", "NULL", *bounds, present]
    small = f"FILTER (WHERE isfinite({number}) AND abs({number}) < {_TOO_LARGE!r})"
    return [f"avg({number}) {small}", f"stddev_samp({number}) {small}", *bounds, present]


def _sample(files: Sequence[DataFile], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Whole parts, spread evenly over the files and over each of them."""
    chosen = _spread(list(files), _SAMPLE_FILES)
    for file in chosen:
        left = _SAMPLE_ROWS // len(chosen)
        sizes = file.part_rows
        count = max(1, min(len(sizes), round(left / max(1, sum(sizes) / max(1, len(sizes))))))
        for part in _spread(list(range(len(sizes))), count):
            for piece in file.pieces(columns, part):
                yield piece.rows.slice(0, left)
                left -= piece.rows.num_rows
                if left <= 0:
                    break
            if left <= 0:
                break


def _spread(things: list[Any], most: int) -> list[Any]:
    if len(things) <= most:
        return things
    return [things[place * len(things) // most] for place in range(most)]


def _estimate(sample: TableStatistics, rows: int) -> int:
    """How many keys the whole table has, from how many of the sample's stand there once (Haas and Stokes'
    first estimator)."""
    assert isinstance(sample, _Sampled)
    share = sample.sampled_rows / rows
    unseen = (1 - share) * sample.single_keys / max(1, sample.sampled_rows)
    return min(rows, round(sample.keys / max(1 - unseen, share)))


def _told(
    table: PinnedTable, tasks: Sequence[FileScanTask], name: str, rows: int, sampled: ColumnStatistics
) -> ColumnStatistics:
    """With what the files' metadata knows of all rows."""
    field = table.schema.find_field(name)
    counts = [(task.file.null_value_counts or {}).get(field.field_id) for task in tasks]
    known = [count for count in counts if count is not None]
    nulls = sum(known) / rows if len(known) == len(counts) else sampled.nulls
    least, greatest = sampled.least, sampled.greatest
    kind = field.field_type
    # A text's bounds are cut short, and deleted rows still count in a bound.
    if isinstance(kind, PrimitiveType) and not isinstance(kind, StringType) and least is not None:
        lower = [(task.file.lower_bounds or {}).get(field.field_id) for task in tasks]
        upper = [(task.file.upper_bounds or {}).get(field.field_id) for task in tasks]
        if pa.types.is_integer(table.arrow_schema.field(name).type) or isinstance(least, float):
            least = min([least, *(from_bytes(kind, one) for one in lower if one)])
            greatest = max([greatest, *(from_bytes(kind, one) for one in upper if one)])
    return ColumnStatistics(sampled.mean, sampled.std, least, greatest, nulls)
