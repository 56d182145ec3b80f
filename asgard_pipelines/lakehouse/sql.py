"""Running a SELECT in Trino's dialect over pinned tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from asgard_pipelines.errors import InvalidSql, Unsupported, did_you_mean
from asgard_pipelines.lakehouse.column_types import plain, sql_type
from asgard_pipelines.lakehouse.lakehouse import Lakehouse
from asgard_pipelines.lakehouse.pins import Pin
from asgard_pipelines.lakehouse.sql_text import (
    mark_unnamed,
    parse_select,
    qualified,
    rename,
    result_names,
    source_tables,
    table_name,
)
from asgard_pipelines.lakehouse.sql_types import with_types


@dataclass(frozen=True)
class SqlResult:
    """The rows, in Trino's types and plain Arrow, and the pins that were read."""

    table: pa.Table
    reads: list[Pin]


Engine = Callable[[exp.Query, Mapping[str, pa.Table], int], pa.Table]
"""Runs a typed query over the named relations, with so many threads."""


def _duckdb() -> Engine:
    from asgard_pipelines.lakehouse.sql_engine_duckdb import run

    return run


_ENGINES: dict[str, Callable[[], Engine]] = {"duckdb": _duckdb}


def run_sql(
    lakehouse: Lakehouse,
    sql: str,
    *,
    pins: Mapping[str, Pin] | None = None,
    relations: Mapping[str, pa.Table] | None = None,
) -> SqlResult:
    """Run one SELECT. A table is read at the snapshot that the text names (`FOR VERSION AS OF`), else at
    its pin in `pins`, else as it stands now; of each only the columns that are used.

    Args:
        lakehouse: where the tables are.
        sql: one SELECT in Trino's dialect.
        pins: snapshots to read, by `schema.table`.
        relations: further relations, by the name under which the text reads them (`asgard.partitions`).

    Raises:
        InvalidSql: it is not one SELECT, or cannot be run as Trino would.
        TableNotFound, SnapshotNotFound: it reads what does not exist.
    """
    engine = _engine(lakehouse.settings.sql_engine)
    query = parse_select(sql)
    sources = _Sources(lakehouse, pins or {}, relations or {})
    for table in source_tables(query):
        rename(table, sources.name(table))
    mark_unnamed(query)
    query = qualified(query, sources.schemas)
    names = result_names(query)
    tables = {
        name: sources.rows(name, columns) for name, columns in _columns_used(query, sources.schemas).items()
    }
    result = engine(with_types(query, sources.schemas), tables, lakehouse.settings.thread_count)
    return SqlResult(_plain(result).rename_columns(names), sources.reads)


def _engine(name: str) -> Engine:
    if name not in _ENGINES:
        raise Unsupported(f"SQL engine '{name}' does not exist.{did_you_mean(name, _ENGINES)}", engine=name)
    return _ENGINES[name]()


class _Sources:
    """What the query reads, each under a flat name of our own: a table at a pin, or a relation given."""

    def __init__(
        self, lakehouse: Lakehouse, pins: Mapping[str, Pin], relations: Mapping[str, pa.Table]
    ) -> None:
        self._lakehouse = lakehouse
        self._pins = {name.lower(): pin for name, pin in pins.items()}
        self._relations = {name.lower(): table for name, table in relations.items()}
        self._names: dict[str | Pin, str] = {}
        self._known: dict[str, pa.Schema] = {}

    @property
    def schemas(self) -> dict[str, dict[str, str]]:
        """Trino's types by flat name and column, in lower case as Trino sees them."""
        return {
            name: {field.name.lower(): sql_type(field.type) for field in schema}
            for name, schema in self._known.items()
        }

    @property
    def reads(self) -> list[Pin]:
        return sorted((source for source in self._names if isinstance(source, Pin)), key=str)

    def name(self, table: exp.Table) -> str:
        """The flat name of a table node."""
        written = table_name(table, self._lakehouse.settings.gold_schema)
        bare = ".".join(part.name for part in table.parts)
        given = next((name for name in (bare, written) if name in self._relations), None)
        source = given if given is not None else self._pin(written, table.args.get("version"))
        if source not in self._names:
            flat = f"r{len(self._names)}"
            self._names[source] = flat
            self._known[flat] = self._schema(source)
        return self._names[source]

    def rows(self, name: str, columns: list[str]) -> pa.Table:
        """The relation of a flat name, with the columns asked for (given in lower case)."""
        source = next(source for source, flat in self._names.items() if flat == name)
        actual = {field.name.lower(): field.name for field in self._known[name]}
        wanted = [actual[column] for column in columns]
        if isinstance(source, Pin):
            return self._lakehouse.read_table(source, wanted).rename_columns(columns)
        return _plain(self._relations[source].select(wanted)).rename_columns(columns)

    def _schema(self, source: str | Pin) -> pa.Schema:
        schema = self._lakehouse.schema(source) if isinstance(source, Pin) else self._relations[source].schema
        folded = [name.lower() for name in schema.names]
        if len(set(folded)) != len(folded):
            raise InvalidSql(
                f"'{source}' has two columns whose names differ only in case: SQL cannot tell them."
            )
        return schema

    def _pin(self, name: str, version: exp.Version | None) -> Pin:
        table = self._actual(name)
        if version is None:
            return self._pins.get(name) or self._lakehouse.pin(table)
        at = version.expression
        if version.name.upper() != "VERSION" or not isinstance(at, exp.Literal) or at.is_string:
            raise InvalidSql(f"A snapshot of '{name}' is named by its id: FOR VERSION AS OF 123.", table=name)
        return self._lakehouse.pin(table, int(at.name))

    def _actual(self, name: str) -> str:
        """The table's own spelling: SQL does not tell upper from lower case."""
        if self._lakehouse.exists(name):
            return name
        spelled = {known.lower(): known for known in self._lakehouse.catalog.names()}
        return spelled.get(name, name)


def _columns_used(query: exp.Query, schemas: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    """The columns of each flat relation that the query uses, in the relation's order."""
    used: dict[str, set[str]] = {}
    for scope in traverse_scope(query):
        for alias, source in scope.sources.items():
            if not isinstance(source, exp.Table):
                continue
            columns = used.setdefault(source.name, set())
            if source.alias_column_names:  # t AS x(a, b) renames by position
                columns.update(schemas[source.name])
            columns.update(column.name for column in scope.columns if column.table == alias)
    return {
        name: [column for column in schemas[name] if column in columns] or list(schemas[name])[:1]
        for name, columns in used.items()
    }


def _plain(table: pa.Table) -> pa.Table:
    return table.cast(pa.schema([pa.field(field.name, plain(field.type)) for field in table.schema]))
