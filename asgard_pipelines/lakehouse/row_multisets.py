"""The difference of two multisets of rows, in DuckDB."""

from __future__ import annotations

import duckdb
import pyarrow as pa


def net_rows(
    session: duckdb.DuckDBPyConnection, come: pa.RecordBatchReader, gone: pa.RecordBatchReader
) -> str:
    """A relation of the rows of which one side has more: columns c0, c1, … and n, how many more `come` has.

    It is EXCEPT ALL both ways in one pass, since a reader can be read only once; so the relation can
    be read only once too. Both sides have the same columns; the text holds none of their names.
    """
    session.register("come", _numbered(come))
    session.register("gone", _numbered(gone))
    columns = ", ".join(f"c{index}" for index in range(len(come.schema)))
    return f"""(
        SELECT {columns}, sum(sign) AS n
        FROM (SELECT *, 1 AS sign FROM come UNION ALL SELECT *, -1 AS sign FROM gone)
        GROUP BY {columns}
        HAVING n <> 0
    )"""  # noqa: S608 (numbers, no names)


def _numbered(rows: pa.RecordBatchReader) -> pa.RecordBatchReader:
    schema = pa.schema([pa.field(f"c{index}", field.type) for index, field in enumerate(rows.schema)])
    return pa.RecordBatchReader.from_batches(
        schema, (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in rows)
    )
