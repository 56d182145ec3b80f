"""Gold tables from `gold/*.sql` (built) and `gold/*.yaml` (external).

A SELECT says what it is in a block comment before it::

    /* asgard:
    description: One row per customer and month.
    timestamp: created_at
    */
    SELECT …
"""

from __future__ import annotations

import re
from pathlib import Path

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers

from asgard_pipelines.declarations import GoldTable, Watermark, Where
from asgard_pipelines.errors import InvalidDeclarations, InvalidSql, Problem, did_you_mean
from asgard_pipelines.lakehouse import tables_read
from asgard_pipelines.project.documents import Document, declare, read_document, read_text

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_FRONT_MATTER = re.compile(r"\s*/\*\s*asgard:[ \t]*\n(.*?)\*/[ \t]*\n?", re.DOTALL)


def read_gold(path: Path, file: str, schema: str) -> GoldTable:
    """The gold table declared in `path`; its name is the file's.

    Args:
        file: `path` relative to the repo, for messages.
        schema: The gold schema, for bare names.

    Raises:
        InvalidDeclarations: all that is wrong in the file.
    """
    if not _NAME.fullmatch(path.stem):
        text = "the file is called as its table: letters, digits and _, beginning with no digit"
        raise InvalidDeclarations([Problem(file, 1, "name", text)])
    text = read_text(path, file)
    named = {"name": path.stem, "schema_name": schema}
    if path.suffix == ".sql":
        return _read_sql(text, file, schema, named)
    document = read_document(text, file)
    _refuse_told(document, "name", "schema_name", "sql", "reads", "about_asgard")
    if "external" not in document.data:
        raise InvalidDeclarations(
            [document.problem("say `external: true`: a table without a SELECT is written by somebody else")]
        )
    return declare(GoldTable, document, **named)


def implicit(table: str) -> GoldTable:
    """The declaration of a table that nobody declared, but that the catalog has and something reads.

    It is external and has no watermark, so no partition and no label can wait for it.
    """
    schema, name = table.rsplit(".", 1)
    return GoldTable(
        name=name,
        schema_name=schema,
        external=True,
        description="Not declared; found in the catalog.",
        where=Where(file=""),
    )


def stand_in(table: str) -> GoldTable:
    """In place of a table whose own declaration is wrong: nothing that stands on it is to blame for that."""
    return implicit(table).model_copy(update={"watermark": Watermark(column="unknown")})


def _read_sql(text: str, file: str, schema: str, named: dict[str, str]) -> GoldTable:
    front = _FRONT_MATTER.match(text)
    if not front:
        raise InvalidDeclarations(
            [
                Problem(
                    file,
                    1,
                    "",
                    "the file begins with `/* asgard:`, fields as YAML, and `*/`; then comes the SELECT",
                )
            ]
        )
    document = read_document(front[1], file, _line_at(text, front.start(1)))
    _refuse_told(document, "name", "schema_name", "sql", "reads", "external", "about_asgard")
    body = text[front.end() :]
    sql = body.strip()
    first_line = _line_at(text, front.end() + len(body) - len(body.lstrip()))
    problems: list[Problem] = []
    reads: list[str] = []
    try:
        # The empty lines make the lines in the error's message those of the file.
        reads = sorted(tables_read("\n" * (first_line - 1) + sql, default_schema=schema))
    except InvalidSql as error:
        problems.append(Problem(file, error.details.get("line", first_line), "sql", error.message))
    try:
        table = declare(GoldTable, document, sql=sql, reads=reads, **named)
    except InvalidDeclarations as error:
        raise InvalidDeclarations([*problems, *error.problems]) from None
    if not problems:
        problems = _against_select(table, document, sql)
    if problems:
        raise InvalidDeclarations(problems)
    return table


def _refuse_told(document: Document, *fields: str) -> None:
    told = [
        document.problem("this follows from the file, and is not said in it", f)
        for f in fields
        if f in document.data
    ]
    if told:
        raise InvalidDeclarations(told)


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def output_columns(sql: str) -> list[str] | None:
    """Names of the SELECT's columns; None when a `*` leaves them open."""
    try:
        select = normalize_identifiers(parse_one(sql, dialect="trino"), dialect="trino")
    except SqlglotError:
        return None
    if not isinstance(select, exp.Query) or select.is_star:
        return None
    return list(select.named_selects)


def known_columns(table: GoldTable) -> list[str] | None:
    """Columns the table is known to have; None when the declaration leaves them open."""
    if table.sql:
        return output_columns(table.sql)
    named = [*table.columns, *table.entity, *filter(None, [table.timestamp, table.label])]
    return list(dict.fromkeys(named)) if table.columns else None


def _against_select(table: GoldTable, document: Document, sql: str) -> list[Problem]:
    produced = output_columns(sql)
    if produced is None:
        return []
    wanted: list[tuple[str, tuple[str | int, ...]]] = [(c, ("columns", c)) for c in table.columns]
    wanted += [(c, ("entity",)) for c in table.entity]
    wanted += [(c, (field,)) for field, c in (("timestamp", table.timestamp), ("label", table.label)) if c]
    problems = [
        document.problem(f"the SELECT makes no column '{column}'.{did_you_mean(column, produced)}", *path)
        for column, path in wanted
        if column not in produced
    ]
    twice = sorted({name for name in produced if name and produced.count(name) > 1})
    if twice:
        problems.append(document.problem(f"the SELECT makes '{twice[0]}' twice", "columns"))
    unnamed = [name for name in produced if not name]
    if unnamed:
        problems.append(document.problem("every column of the SELECT needs a name: add AS", "columns"))
    return problems
