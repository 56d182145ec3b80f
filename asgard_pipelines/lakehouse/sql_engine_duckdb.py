"""The DuckDB engine: runs a typed query in a session that sees the given relations and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa
from sqlglot import exp

from asgard_pipelines.errors import InvalidSql
from asgard_pipelines.lakehouse.session import connect
from asgard_pipelines.lakehouse.sql_duckdb import duckdb_sql

_TOO_WIDE = {"HUGEINT", "UHUGEINT", "UBIGINT"}


def run(query: exp.Query, relations: Mapping[str, pa.Table], threads: int) -> pa.Table:
    """The result of a typed query.

    Raises:
        InvalidSql: DuckDB refuses the statement, or a value makes it fail (a division by zero).
    """
    text = duckdb_sql(query)
    with connect(threads) as session:
        for name, table in relations.items():
            session.register(name, table)
        try:
            return _in_trinos_types(session.sql(text)).to_arrow_table()
        except duckdb.Error as error:
            raise InvalidSql(f"The SELECT cannot be run: {_reason(error)}") from error


def _in_trinos_types(result: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Trino has no integer wider than BIGINT: one that does not fit is an error there too."""
    if not any(str(kind) in _TOO_WIDE for kind in result.types):
        return result
    columns = [
        duckdb.ColumnExpression(name).cast("BIGINT").alias(name)
        if str(kind) in _TOO_WIDE
        else duckdb.ColumnExpression(name)
        for name, kind in zip(result.columns, result.types, strict=True)
    ]
    return result.select(*columns)


def _reason(error: duckdb.Error) -> str:
    """DuckDB's message without the excerpt of the statement, which is our translation and not the text."""
    return str(error).split("\n")[0].split(" Use TRY(")[0].removeprefix("Invalid Input Error: ")
