"""SQL as text: what a SELECT in Trino's dialect reads, and from which columns its own are made.

Nothing here runs SQL, and nothing here imports an engine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, ParseError, TokenError
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope, traverse_scope
from sqlglot.tokenizer_core import TokenType

from asgard_pipelines.errors import InvalidSql, did_you_mean
from asgard_pipelines.lakehouse.sql_functions import FUNCTIONS, NOT_DETERMINISTIC
from asgard_pipelines.settings import CATALOG

OURS = "asgard"
"""The schema of relations that Asgard itself hands to a SELECT."""

_BEGINNINGS = {TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN}
_REFUSED_CLAUSES: dict[type[exp.Expr], str] = {
    exp.AtTimeZone: "AT TIME ZONE",
    exp.BitwiseAnd: "&",
    exp.BitwiseOr: "|",
    exp.BitwiseXor: "^",
    exp.Glob: "GLOB",
    exp.Into: "SELECT … INTO",
    exp.Lock: "FOR UPDATE",
    exp.MatchRecognize: "MATCH_RECOGNIZE",
    exp.Parameter: "A parameter",
    exp.Pivot: "PIVOT",
    exp.Placeholder: "A parameter",
    exp.TableFromRows: "TABLE(…)",
    exp.TableSample: "TABLESAMPLE",
}
"""Not Trino's, not run by every engine, or meaning something else on each."""


def parse_select(sql: str) -> exp.Query:
    """The tree of one SELECT, its identifiers in lower case as Trino sees them.

    Raises:
        InvalidSql: it is not one SELECT, or uses what the engines do not share; line and column say where.
    """
    try:
        tokens = sqlglot.tokenize(sql, read="trino")
        if not tokens or tokens[0].token_type not in _BEGINNINGS:
            found = tokens[0].text.upper() if tokens else "nothing"
            raise InvalidSql(f"Only a SELECT can be run, and this begins with {found}.", line=1, column=1)
        statements = [statement for statement in sqlglot.parse(sql, read="trino") if statement is not None]
    except ParseError as error:
        raise _unreadable(error) from None
    except TokenError as error:
        raise InvalidSql(f"The SQL cannot be read: {error}.") from None
    if len(statements) != 1:
        raise InvalidSql(f"One SELECT can be run, and this holds {len(statements)} statements.")
    query = statements[0]
    if not isinstance(query, exp.Query):
        raise InvalidSql("Only a SELECT can be run.")
    _check(query)
    return normalize_identifiers(query, dialect="trino")


def _unreadable(error: ParseError) -> InvalidSql:
    first = error.errors[0]
    near = f" near '{first['highlight']}'" if first.get("highlight") else ""
    description = re.sub(r"\s*for <class .*?>", "", str(first.get("description", "syntax error")))
    line, column = first["line"], first["col"]
    return InvalidSql(
        f"The SQL cannot be read at line {line}, column {column}{near}: {description.rstrip('.')}.",
        line=line,
        column=column,
    )


def _check(query: exp.Query) -> None:
    for node in query.walk():
        for clause, name in _REFUSED_CLAUSES.items():
            if isinstance(node, clause):
                raise refused(node, f"{name} cannot be run")
        if isinstance(node, exp.DDL | exp.DML | exp.Command) and not isinstance(node, exp.Query):
            raise refused(node, "Only a SELECT can be run")
        if isinstance(node, exp.LimitOptions) and (node.args.get("with_ties") or node.args.get("percent")):
            raise refused(node, "FETCH FIRST can be run with ROWS ONLY, and not WITH TIES")
        if isinstance(node, exp.Distinct) and node.args.get("on"):
            raise refused(node, "DISTINCT ON is not Trino's")
        if isinstance(node, exp.Select) and not node.expressions:
            raise refused(node, "A SELECT has to name its columns")
        if isinstance(node, exp.Table) and not isinstance(node.this, exp.Identifier):
            raise refused(node, f"Tables are read by name, not from {node.this.sql('trino')}")
        if isinstance(node, exp.Func) and type(node) not in FUNCTIONS:
            name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
            raise refused(node, f"Function {name.lower()} is not one that Asgard runs")


def refused(node: exp.Expr, why: str) -> InvalidSql:
    """InvalidSql that says where in the text `node` stands, as far as that is known."""
    place = next((n.meta for n in node.walk() if "line" in n.meta), None)
    if place is None:
        return InvalidSql(f"{why}.")
    line, column = place["line"], place["col"]
    return InvalidSql(f"{why} (line {line}, column {column}).", line=line, column=column)


def table_name(table: exp.Table, default_schema: str) -> str:
    """`schema.table` of a table node; a catalog other than `iceberg` stays in front."""
    parts = [part.name for part in table.parts]
    if len(parts) == 1:
        parts = [default_schema, *parts]
    if len(parts) == 3 and parts[0] == CATALOG:
        parts = parts[1:]
    return ".".join(parts)


def source_tables(query: exp.Query) -> list[exp.Table]:
    """The nodes of the tables that `query` reads: what its CTEs are called is not among them.

    Raises:
        InvalidSql: two tables of one FROM have one name.
    """
    try:
        scopes = traverse_scope(query)
        sources = [source for scope in scopes for _, source in scope.selected_sources.values()]
    except OptimizeError as error:
        raise InvalidSql(f"{str(error).rstrip('.')}.") from None
    return [source for source in sources if isinstance(source, exp.Table)]


def tables_read(sql: str, default_schema: str = "gold") -> list[str]:
    """The tables a SELECT reads, as `schema.table`, sorted; CTEs and the schema `asgard` are not among them.

    Raises:
        InvalidSql: as `parse_select`.
    """
    tables = {table_name(table, default_schema) for table in source_tables(parse_select(sql))}
    return sorted(table for table in tables if not table.startswith(f"{OURS}."))


def not_deterministic(sql: str) -> list[str]:
    """Functions in the SELECT whose result depends on when it runs, in lower case."""
    nodes = parse_select(sql).walk()
    return sorted({NOT_DETERMINISTIC[type(node)] for node in nodes if type(node) in NOT_DETERMINISTIC})


def column_lineage(
    sql: str, schemas: Mapping[str, Mapping[str, str]], default_schema: str = "gold"
) -> dict[str, list[tuple[str, str]]]:
    """From which (table, column) each column of the result is made, in the result's order.

    Args:
        sql: one SELECT in Trino's dialect.
        schemas: the columns of each table it reads, `schema.table` -> column -> type; the type does
            not matter. Columns of the schema `asgard` are left out of the answer.

    Raises:
        InvalidSql: as `parse_select`; or a column is in none of the tables, or in several.
    """
    query = parse_select(sql)
    names: dict[str, str] = {}
    for index, table in enumerate(source_tables(query)):
        names[f"r{index}"] = table_name(table, default_schema)
        rename(table, f"r{index}")
    known = {name.lower(): columns for name, columns in schemas.items()}
    flat = {flat: {c.lower(): "VARCHAR" for c in known.get(name, {})} for flat, name in names.items()}
    schema = {name: columns for name, columns in flat.items() if columns}
    mark_unnamed(query)
    query = qualified(query, schema)
    roots = lineage(None, query, schema, scope=build_scope(query), dialect="trino")
    return {
        name: sorted(
            (names[table], column)
            for table, column in _leaves(roots[select.alias_or_name])
            if not names[table].startswith(f"{OURS}.")
        )
        for name, select in zip(result_names(query), query.selects, strict=True)
    }


def _leaves(root: Node) -> set[tuple[str, str]]:
    return {
        (node.expression.name, exp.to_column(node.name).name)
        for node in root.walk()
        if not node.downstream and isinstance(node.expression, exp.Table)
    }


def rename(table: exp.Table, name: str) -> None:
    """Make a table node read `name`, under the alias by which the rest of the query knows it."""
    alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name, quoted=True))
    if alias.this is None:
        alias.set("this", exp.to_identifier(table.name, quoted=True))
    schema = table.db
    if schema and not table.args.get("alias"):
        for column in table.find_ancestor(exp.Select).find_all(exp.Column):  # type: ignore[union-attr]
            if column.table == table.name and column.db == schema:
                column.set("db", None)
                column.set("catalog", None)
    table.replace(exp.Table(this=exp.to_identifier(name, quoted=True), alias=alias))


def qualified(query: exp.Query, schema: Mapping[str, Mapping[str, str]]) -> exp.Query:
    """`query` with stars expanded and every column led back to its table.

    Raises:
        InvalidSql: a column is in none of the tables, or in several.
    """
    try:
        return qualify(query, dialect="trino", schema=dict(schema))
    except OptimizeError as error:
        raise _unresolved(str(error), schema) from None


def _unresolved(message: str, schema: Mapping[str, Mapping[str, str]]) -> InvalidSql:
    found = re.match(r"Column '(.+)' could not be resolved\. Line: (\d+), Col: (\d+)", message, re.DOTALL)
    if found is None:
        unknown = re.match(r"Unknown column: (\w+)", message)  # of a table that is named, without a place
        if unknown:
            hint = did_you_mean(unknown[1], {name for columns in schema.values() for name in columns})
            return InvalidSql(f"Column '{unknown[1]}' not found.{hint}")
        return InvalidSql(f"{message.rstrip('.')}.")
    column, line, place = found.groups()
    known = {name for columns in schema.values() for name in columns}
    if column in known:
        hint = " Several tables there have it, or none that can be seen from there: write TABLE.COLUMN."
    else:
        hint = did_you_mean(column, known)
    return InvalidSql(
        f"Column '{column}' not found (line {line}, column {place}).{hint}", line=int(line), column=int(place)
    )


def mark_unnamed(query: exp.Query) -> None:
    """Remember, before names are made up, which columns of the result have none."""
    for column in query.selects:
        if not isinstance(column, exp.Alias | exp.Column | exp.Star):
            column.meta["unnamed"] = True


def result_names(query: exp.Query) -> list[str]:
    """The result's column names as Trino gives them: `_col0` for a column without one."""
    return [
        f"_col{index}" if column.unalias().meta.get("unnamed") else column.alias_or_name
        for index, column in enumerate(query.selects)
    ]
