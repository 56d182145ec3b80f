"""What is declared of tables, held against the tables that are there: for `asgard doctor`."""

from __future__ import annotations

from collections.abc import Iterator

from asgard_pipelines.declarations import Declarations, GoldTable
from asgard_pipelines.errors import InvalidSql
from asgard_pipelines.lakehouse import Lakehouse, column_lineage, contract_problems

_PARTITIONS = dict.fromkeys(("partition_start", "partition_end", "watermark"), "timestamp")


def broken(lakehouse: Lakehouse, declarations: Declarations) -> Iterator[tuple[GoldTable, str]]:
    """Each table whose declaration does not fit the catalog, with a sentence; unwritten tables wait."""
    for table in declarations.gold:
        if table.sql is None:
            if lakehouse.exists(table.table):
                pin = lakehouse.pin(table.table)
                yield from ((table, message) for message in contract_problems(lakehouse, table, pin))
        elif all(lakehouse.exists(read) for read in table.reads):
            schemas = {read: lakehouse.state(read).columns for read in table.reads}
            try:
                column_lineage(table.sql, {**schemas, "asgard.partitions": _PARTITIONS}, table.schema_name)
            except InvalidSql as error:
                yield table, error.message
