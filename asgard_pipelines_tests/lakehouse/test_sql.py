"""SELECTs in Trino's dialect mean on DuckDB what they mean on Trino."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from asgard_pipelines.errors import InvalidSql, SnapshotNotFound, TableNotFound, Unsupported
from asgard_pipelines.lakehouse import Lakehouse, Pin, run_sql
from asgard_pipelines.settings import Settings

T = pa.table(
    {
        "i": pa.array([7, -7, None], pa.int32()),
        "b": pa.array([2, 2, 2], pa.int64()),
        "x": [1.5, 2.5, -2.5],
        "f": pa.array([1.5, 2.5, 3.5], pa.float32()),
        "m": pa.array([Decimal("1.25")] * 3, pa.decimal128(10, 2)),
        "at": pa.array(
            [datetime(2020, 1, 1, 23), datetime(2020, 2, 29), datetime(2020, 3, 31, 12)], pa.timestamp("us")
        ),
        "d": pa.array([date(2020, 1, 31)] * 3),
        "s": ["a", None, "c"],
        "tags": [["p", "q"], [], None],
    }
)

One = Callable[[str], tuple[Any, str]]


@pytest.fixture(scope="module")
def engine(shared: Lakehouse) -> Lakehouse:
    shared.append("t", T, key="1")
    return shared


@pytest.fixture
def one(engine: Lakehouse) -> One:
    """The value and the Arrow type of `SELECT expression FROM t ORDER BY at LIMIT 1`."""

    def evaluate(expression: str) -> tuple[Any, str]:
        table = run_sql(engine, f"SELECT {expression} AS v FROM t ORDER BY at LIMIT 1").table
        return table["v"][0].as_py(), str(table.schema.field("v").type)

    return evaluate


ROWS = [
    # integer division truncates towards zero and stays in its type
    ("i / b", 3, "int64"),
    ("-i / 2", -3, "int32"),
    ("(i + 1) / (b + 1)", 2, "int64"),
    ("(0 - i) / b", -3, "int64"),
    ("9223372036854775807 / 1", 9223372036854775807, "int64"),
    ("i % 4", 3, "int32"),
    ("-i % 4", -3, "int32"),
    ("mod(i, b)", 1, "int64"),
    ("length(s) / 2", 0, "int64"),
    ("(CASE WHEN i > 0 THEN i ELSE 0 END) / 2", 3, "int32"),
    ("coalesce(i, 0) / 2", 3, "int32"),
    ("(SELECT max(b) FROM t) / 2", 1, "int64"),
    # other division
    ("x / 2", 0.75, "double"),
    ("i / 2e0", 3.5, "double"),
    ("1e0 / 0", float("inf"), "double"),
    ("i / 2.0", Decimal("3.5"), "decimal128(12, 1)"),
    ("b * 1.0 / 3", Decimal("0.7"), "decimal128(21, 1)"),
    ("m / 3", Decimal("0.42"), "decimal128(10, 2)"),
    ("m * m", Decimal("1.5625"), "decimal128(20, 4)"),
    ("m + 1", Decimal("2.25"), "decimal128(13, 2)"),
    ("m * x", 1.875, "double"),
    ("CAST(m AS double) / 2", 0.625, "double"),
    # casts round halves away from zero
    ("CAST(x AS bigint)", 2, "int64"),
    ("CAST(x + 1 AS integer)", 3, "int32"),
    ("CAST(-x - 1 AS bigint)", -3, "int64"),
    ("CAST(2.5 AS integer)", 3, "int32"),
    ("TRY_CAST(s AS integer)", None, "int32"),
    ("CAST(i AS varchar)", "7", "string"),
    # elapsed units, not boundaries
    ("date_diff('day', TIMESTAMP '2020-01-01 23:00', TIMESTAMP '2020-01-02 01:00')", 0, "int64"),
    ("date_diff('day', TIMESTAMP '2020-01-02 01:00', TIMESTAMP '2020-01-01 00:00')", -1, "int64"),
    ("date_diff('month', TIMESTAMP '2020-01-15', TIMESTAMP '2020-03-14')", 1, "int64"),
    ("date_diff('year', DATE '2020-12-31', DATE '2021-01-01')", 0, "int64"),
    ("date_diff('hour', at, TIMESTAMP '2020-01-02 00:59')", 1, "int64"),
    ("date_diff('day', d, at)", -29, "int64"),
    ("date_diff('week', DATE '2020-01-05', DATE '2020-01-06')", 0, "int64"),
    # times
    ("at - INTERVAL '90' DAY", datetime(2019, 10, 3, 23), "timestamp[us]"),
    ("at + INTERVAL '1' MONTH", datetime(2020, 2, 1, 23), "timestamp[us]"),
    ("d + INTERVAL '1' MONTH", date(2020, 2, 29), "date32[day]"),
    ("date_add('day', 3, at)", datetime(2020, 1, 4, 23), "timestamp[us]"),
    ("date_add('day', -3, d)", date(2020, 1, 28), "date32[day]"),
    ("date_trunc('month', at)", datetime(2020, 1, 1), "timestamp[us]"),
    ("date_trunc('month', d)", date(2020, 1, 1), "date32[day]"),
    ("CAST(at AS date)", date(2020, 1, 1), "date32[day]"),
    ("year(at)", 2020, "int64"),
    ("EXTRACT(MONTH FROM d)", 1, "int64"),
    ("day_of_week(DATE '2020-01-05')", 7, "int64"),
    ("EXTRACT(DOW FROM DATE '2020-01-05')", 7, "int64"),
    ("EXTRACT(DAY_OF_WEEK FROM DATE '2020-01-06')", 1, "int64"),
    ("EXTRACT(DOY FROM DATE '2020-02-01')", 32, "int64"),
    ("EXTRACT(YOW FROM DATE '2019-12-30')", 2020, "int64"),
    ("TIMESTAMP '2020-01-01 00:00:00'", datetime(2020, 1, 1), "timestamp[us]"),
    # nulls
    ("greatest(i, NULL)", None, "int32"),
    ("concat(s, NULL)", None, "string"),
    ("s || 'x'", "ax", "string"),
    ("nullif(i, 7)", None, "int32"),
    ("if(i > 8, 1, 0)", 0, "int32"),
    # numbers keep their types
    ("ceil(i)", 7, "int32"),
    ("ceil(x)", 2.0, "double"),
    ("floor(b)", 2, "int64"),
    ("round(x)", 2.0, "double"),
    ("round(-x - 1)", -3.0, "double"),
    ("sign(x)", 1.0, "double"),
    ("abs(-i)", 7, "int32"),
    ("i + b", 9, "int64"),
    ("i + i", 14, "int32"),
    ("power(i, 2)", 49.0, "double"),
    # text and arrays
    ("length('aä😀')", 3, "int64"),
    ("substr(s, 1, 1)", "a", "string"),
    ("strpos(s, 'a')", 1, "int64"),
    ("s LIKE 'a%'", True, "bool"),
    ("regexp_like(s, '^a$')", True, "bool"),
    ("cardinality(tags)", 2, "int64"),
    ("contains(tags, 'q')", True, "bool"),
    ("2147483648", 2147483648, "int64"),
    ("1.50", Decimal("1.50"), "decimal128(3, 2)"),
]


@pytest.mark.parametrize(("expression", "value", "kind"), ROWS)
def test_an_expression_has_trinos_value_and_type(one: One, expression: str, value: object, kind: str) -> None:
    assert one(expression) == (value, kind)


AGGREGATES = [
    ("sum(i)", 0, "int64"),
    ("sum(b)", 6, "int64"),
    ("sum(x)", 1.5, "double"),
    ("sum(f)", 7.5, "float"),
    ("sum(m)", Decimal("3.75"), "decimal128(38, 2)"),
    ("sum(b) / count(*)", 2, "int64"),
    ("sum(DISTINCT b)", 2, "int64"),
    ("sum(DISTINCT x)", 1.5, "double"),
    ("sum(i) FILTER (WHERE i > 0)", 7, "int64"),
    ("sum(x) FILTER (WHERE x > 0)", 4.0, "double"),
    ("avg(i)", 0.0, "double"),
    ("avg(f)", 2.5, "float"),
    ("avg(m)", Decimal("1.25"), "decimal128(10, 2)"),
    ("count(*)", 3, "int64"),
    ("count(i)", 2, "int64"),
    ("count_if(x > 0)", 2, "int64"),
    ("count_if(x > 0) / 2", 1, "int64"),
    ("max(at)", datetime(2020, 3, 31, 12), "timestamp[us]"),
    ("max(i) / 2", 3, "int32"),
    ("bool_or(i > 0)", True, "bool"),
    ("max_by(b, x)", 2, "int64"),
    ("stddev_pop(b)", 0.0, "double"),
    ("corr(x, b * 1e0)", None, "double"),
]


@pytest.mark.parametrize(("expression", "value", "kind"), AGGREGATES)
def test_an_aggregate_has_trinos_value_and_type(
    engine: Lakehouse, expression: str, value: object, kind: str
) -> None:
    table = run_sql(engine, f"SELECT {expression} AS v FROM t").table
    found = table["v"][0].as_py()
    assert (None if found != found else found, str(table.schema.field("v").type)) == (value, kind)


def test_a_running_sum_stays_a_bigint(engine: Lakehouse) -> None:
    table = run_sql(
        engine, "SELECT sum(b) OVER (ORDER BY at) / 2 AS v, sum(x) OVER (ORDER BY at) AS w FROM t"
    ).table
    assert table["v"].to_pylist() == [1, 2, 3]
    assert table["w"].to_pylist() == [1.5, 4.0, 1.5]
    assert table["v"].type == pa.int64()


def test_the_sum_of_doubles_does_not_depend_on_the_order_of_rows(engine: Lakehouse) -> None:
    values = [0.1, 1e16, -1e16, 0.3, 7.7e-9] * 50
    sql = "SELECT sum(v) + sum(DISTINCT v) + avg(v) + stddev(v) AS s FROM r"
    sums = {
        run_sql(engine, sql, relations={"r": pa.table({"v": v})}).table["s"][0].as_py()
        for v in (values, values[::-1], sorted(values), sorted(values, key=abs))
    }
    assert len(sums) == 1


def test_what_overflows_a_bigint_is_an_error_and_not_another_type(engine: Lakehouse) -> None:
    with pytest.raises(InvalidSql, match="range"):
        run_sql(engine, "SELECT sum(v) FROM (VALUES 9223372036854775807, 1) AS r(v)")


@pytest.mark.parametrize("expression", ["1 / 0", "i / (b - 2)", "i % (b - 2)"])
def test_division_by_zero_is_an_error(engine: Lakehouse, expression: str) -> None:
    with pytest.raises(InvalidSql, match="Division by zero"):
        run_sql(engine, f"SELECT {expression} FROM t")


@pytest.mark.parametrize(
    "expression",
    [
        "CAST(x AS varchar)",
        "CAST(at AS varchar)",
        "CAST(at AS timestamp(3))",
        "CAST(s AS varchar(1))",
        "d - d",
        "at AT TIME ZONE 'Europe/Stockholm'",
        "EXTRACT(EPOCH FROM at)",
        "i & 1",
        "s GLOB 'a'",
    ],
)
def test_what_engines_write_differently_is_refused(engine: Lakehouse, expression: str) -> None:
    with pytest.raises(InvalidSql):
        run_sql(engine, f"SELECT {expression} FROM t")


@pytest.mark.parametrize(
    "sql",
    ["SELECT i FROM t ORDER BY i FETCH FIRST 1 ROWS WITH TIES", "SELECT DISTINCT ON (i) i FROM t"],
)
def test_what_would_silently_mean_something_else_is_refused(engine: Lakehouse, sql: str) -> None:
    with pytest.raises(InvalidSql):
        run_sql(engine, sql)


def test_fetch_first_is_a_limit(engine: Lakehouse) -> None:
    assert run_sql(engine, "SELECT i FROM t ORDER BY i FETCH FIRST 1 ROWS ONLY").table["i"].to_pylist() == [
        -7
    ]


def test_nulls_are_last_in_either_order(engine: Lakehouse) -> None:
    for direction in ("ASC", "DESC"):
        found = run_sql(engine, f"SELECT i FROM t ORDER BY i {direction}").table["i"].to_pylist()
        assert found[-1] is None


def test_ctes_subqueries_and_unions_work(engine: Lakehouse) -> None:
    sql = """
        WITH t AS (SELECT i, b FROM gold.t), u AS (SELECT i FROM t UNION ALL SELECT b FROM t)
        SELECT count(*) AS n, sum(u.i) / 4 AS q FROM u WHERE u.i IN (SELECT b FROM t) OR u.i > 6
    """
    assert run_sql(engine, sql).table.to_pylist() == [{"n": 4, "q": 3}]


def test_unnamed_columns_are_called_as_trino_calls_them(engine: Lakehouse) -> None:
    table = run_sql(
        engine, 'SELECT *, 1, i AS "Named", CAST(i AS bigint), max(i) OVER () FROM (SELECT i FROM t)'
    ).table
    assert table.column_names == ["i", "_col1", "named", "_col3", "_col4"]


def test_a_text_may_name_its_snapshot(lakehouse: Lakehouse) -> None:
    old = lakehouse.append("t", T, key="1").pin
    new = lakehouse.append("t", T, key="2").pin
    sql = (
        f"SELECT (SELECT count(*) FROM t FOR VERSION AS OF {old.snapshot_id}) AS o, count(*) AS n FROM gold.t"
    )
    result = run_sql(lakehouse, sql)
    assert result.table.to_pylist() == [{"o": 3, "n": 6}]
    assert set(result.reads) == {old, new}
    pinned = run_sql(lakehouse, "SELECT count(*) AS n FROM iceberg.gold.t", pins={"gold.t": old})
    assert (pinned.table.to_pylist(), pinned.reads) == ([{"n": 3}], [old])
    with pytest.raises(SnapshotNotFound):
        run_sql(lakehouse, "SELECT 1 FROM t FOR VERSION AS OF 77")
    with pytest.raises(InvalidSql, match="FOR VERSION AS OF"):
        run_sql(lakehouse, "SELECT 1 FROM t FOR TIMESTAMP AS OF TIMESTAMP '2020-01-01 00:00:00 UTC'")


def test_only_the_columns_used_are_read(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    lakehouse.append("t", T, key="1")
    read, asked = lakehouse.read_table, []

    def watch(pin: Pin, columns: list[str] | None = None) -> pa.Table:
        asked.append(columns)
        return read(pin, columns)

    monkeypatch.setattr(lakehouse, "read_table", watch)
    run_sql(lakehouse, "SELECT sum(b) FROM t WHERE x > 0")
    run_sql(lakehouse, "SELECT count(*) FROM t")
    run_sql(lakehouse, "SELECT (SELECT max(u.s) FROM t AS u WHERE u.i = t.i) FROM t")
    assert asked == [["b", "x"], ["i"], ["i", "s"]]


def test_given_relations_are_read_by_their_names(engine: Lakehouse) -> None:
    starts = pa.array([datetime(2020, 2, 1), datetime(2020, 4, 1)], pa.timestamp("us"))
    sql = """
        SELECT p.partition_start, count(t.at) AS n FROM asgard.partitions AS p
        LEFT JOIN t ON t.at < p.partition_start GROUP BY 1 ORDER BY 1
    """
    result = run_sql(engine, sql, relations={"asgard.partitions": pa.table({"partition_start": starts})})
    assert result.table["n"].to_pylist() == [1, 3]
    assert [pin.table for pin in result.reads] == ["gold.t"]


def test_hostile_names_are_only_names(lakehouse: Lakehouse) -> None:
    names = ['a"b', "a'; DROP TABLE t; --", "select", "with space", "MixedCase", "ünï", "1st"]
    lakehouse.append("we ird", pa.table({name: [index] for index, name in enumerate(names)}), key="1")
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    table = run_sql(lakehouse, f'SELECT {quoted} FROM "we ird"').table
    assert table.column_names == [name.lower() for name in names]
    assert list(table.to_pylist()[0].values()) == list(range(len(names)))
    assert run_sql(lakehouse, 'SELECT * FROM gold."we ird"').table.num_columns == len(names)


def test_sql_does_not_tell_upper_from_lower_case(lakehouse: Lakehouse) -> None:
    lakehouse.append("Purchases", pa.table({"CustomerId": [1]}), key="1")
    assert run_sql(lakehouse, "SELECT customerID FROM purchases").table.to_pylist() == [{"customerid": 1}]


def test_unknown_tables_and_columns_are_said(engine: Lakehouse) -> None:
    with pytest.raises(TableNotFound, match=r"gold\.tt"):
        run_sql(engine, "SELECT 1 FROM tt")
    with pytest.raises(InvalidSql, match="nope"):
        run_sql(engine, "SELECT nope FROM t")
    with pytest.raises(InvalidSql, match=r"'tag' not found \(line 1.*Did you mean 'tags'"):
        run_sql(engine, "SELECT tag FROM t")
    with pytest.raises(InvalidSql, match="Several tables"):
        run_sql(engine, "SELECT i FROM t JOIN t AS u ON true")
    with pytest.raises(InvalidSql, match="already used"):
        run_sql(engine, "SELECT t.i FROM t JOIN t ON true")


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "data.parquet", "data.csv", "pa", "T", "information_schema.tables"]
)
def test_neither_files_nor_python_variables_are_tables(engine: Lakehouse, name: str, tmp_path: Path) -> None:
    secret = pa.table({"v": [1]})
    assert secret.num_rows == 1
    if name == "T":
        assert run_sql(engine, 'SELECT count(*) AS n FROM "T"').table.to_pylist() == [{"n": 3}]
        return
    for written in (f'"{name}"', "secret"):
        with pytest.raises(TableNotFound):
            run_sql(engine, f"SELECT * FROM {written}")


def test_an_unknown_engine_is_refused_with_what_there_is(settings: Settings) -> None:
    lakehouse = Lakehouse(settings.model_copy(update={"sql_engine": "duckdbb"}))
    with pytest.raises(Unsupported, match="'duckdb'"):
        run_sql(lakehouse, "SELECT 1")
