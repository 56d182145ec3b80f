"""SQL as text: what it reads, where its columns come from, and what is refused."""

from __future__ import annotations

import pytest

from asgard_pipelines.errors import InvalidSql
from asgard_pipelines.lakehouse import column_lineage, not_deterministic, tables_read


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT 1", []),
        ("SELECT * FROM purchases", ["gold.purchases"]),
        ("SELECT * FROM iceberg.gold.purchases", ["gold.purchases"]),
        ("SELECT * FROM silver.a JOIN b ON true", ["gold.b", "silver.a"]),
        ("WITH b AS (SELECT * FROM a) SELECT * FROM b", ["gold.a"]),
        ("WITH a AS (SELECT * FROM gold.a) SELECT * FROM a", ["gold.a"]),
        ("WITH A AS (SELECT 1 x) SELECT * FROM a", []),
        ("SELECT * FROM (SELECT * FROM a UNION ALL SELECT * FROM b)", ["gold.a", "gold.b"]),
        (
            "SELECT * FROM a WHERE x IN (SELECT x FROM b) OR EXISTS (SELECT 1 FROM c)",
            ["gold.a", "gold.b", "gold.c"],
        ),
        ("SELECT (SELECT max(x) FROM b) FROM a", ["gold.a", "gold.b"]),
        ("SELECT * FROM asgard.partitions p JOIN a ON a.t < p.partition_start", ["gold.a"]),
        ("SELECT * FROM a FOR VERSION AS OF 123", ["gold.a"]),
        ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT * FROM r", []),
        ('SELECT * FROM "Gold"."Purchases"', ["gold.purchases"]),
        ("SELECT * FROM a, UNNEST(a.tags) AS u(tag)", ["gold.a"]),
    ],
)
def test_the_tables_of_a_select_are_found(sql: str, tables: list[str]) -> None:
    assert tables_read(sql) == tables


def test_a_bare_name_is_looked_up_in_the_schema_given() -> None:
    assert tables_read("SELECT * FROM a", default_schema="silver") == ["silver.a"]


REFUSED = [
    "",
    "   -- nothing",
    "INSERT INTO t SELECT 1",
    "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
    "UPDATE t SET a = 1",
    "DELETE FROM t",
    "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
    "DROP TABLE t",
    "CREATE TABLE t AS SELECT 1",
    "COPY t TO 'x'",
    "ATTACH 'x' AS y",
    "PRAGMA database_list",
    "SET threads = 1",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CALL f()",
    "EXPLAIN SELECT 1",
    "SHOW TABLES",
    "EXPORT DATABASE 'x'",
    "FROM t",
    "VALUES (1)",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE t",
    "SELECT * INTO x FROM t",
    "SELECT * FROM read_parquet('x')",
    "SELECT * FROM read_csv('x')",
    "SELECT * FROM read_csv_auto('x')",
    "SELECT * FROM read_json('x')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM parquet_scan('x')",
    "SELECT * FROM iceberg_scan('x')",
    "SELECT * FROM glob('*')",
    "SELECT * FROM sniff_csv('x')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM TABLE(sequence(1, 2))",
    "SELECT * FROM query('select 1')",
    "SELECT * FROM t, LATERAL read_text(t.path)",
    "SELECT * FROM t WHERE x IN (SELECT content FROM read_text('/etc/passwd'))",
    "WITH x AS (SELECT * FROM read_csv('x')) SELECT * FROM x",
    "SELECT getenv('HOME')",
    "SELECT current_setting('threads')",
    "SELECT read_text('/etc/passwd')",
    "SELECT random()",
    "SELECT uuid()",
    "SELECT * FROM t TABLESAMPLE BERNOULLI (10)",
    "SELECT * FROM t WHERE a = ?",
    "SELECT nextval('x')",
    "SELECT",
    "SELECT FROM WHERE",
    "SELECT 'open",
    "SELECT (1",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_what_is_not_one_plain_select_is_refused(sql: str) -> None:
    with pytest.raises(InvalidSql):
        tables_read(sql)


def test_a_mistake_is_said_with_its_place() -> None:
    with pytest.raises(InvalidSql, match="line 2, column") as refused:
        tables_read("SELECT a\nFROM t WHERE")
    assert refused.value.details["line"] == 2
    with pytest.raises(InvalidSql, match=r"getenv.*line 2"):
        tables_read("SELECT\ngetenv('HOME')")


def test_lineage_goes_through_ctes_stars_and_unions() -> None:
    schemas = {
        "gold.purchases": {"customer_id": "string", "amount": "float64", "Bought_At": "timestamp"},
        "gold.refunds": {"customer_id": "string", "amount": "float64"},
        "asgard.partitions": {"partition_start": "timestamp"},
    }
    sql = """
        WITH money AS (
            SELECT customer_id, amount, bought_at FROM purchases
            UNION ALL SELECT customer_id, -amount, NULL FROM refunds
        ), totals AS (SELECT customer_id, sum(amount) AS total, max(bought_at) AS last FROM money GROUP BY 1)
        SELECT t.*, t.total / 2 AS half, date_diff('day', t.last, p.partition_start) AS days,
               p.partition_start AS created_at, count(*) OVER () AS n, 1
        FROM totals AS t CROSS JOIN asgard.partitions AS p
    """
    assert column_lineage(sql, schemas) == {
        "customer_id": [("gold.purchases", "customer_id"), ("gold.refunds", "customer_id")],
        "total": [("gold.purchases", "amount"), ("gold.refunds", "amount")],
        "last": [("gold.purchases", "bought_at")],
        "half": [("gold.purchases", "amount"), ("gold.refunds", "amount")],
        "days": [("gold.purchases", "bought_at")],
        "created_at": [],
        "n": [],
        "_col7": [],
    }


def test_lineage_needs_no_schema_for_columns_that_are_spelled_out() -> None:
    assert column_lineage("SELECT a.x + a.y AS z FROM a", {}) == {"z": [("gold.a", "x"), ("gold.a", "y")]}


def test_what_depends_on_the_clock_is_named() -> None:
    assert not_deterministic("SELECT a FROM t") == []
    assert not_deterministic("SELECT now(), current_date FROM t") == ["current_date", "current_timestamp"]
