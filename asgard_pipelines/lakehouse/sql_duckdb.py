"""From Trino's meaning to DuckDB's text: each rewrite keeps what Trino would have computed.

Runs on a qualified tree with Trino's types. Where the type of an operand decides the meaning and is
not known, the statement is refused: a cast in the text settles it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import ErrorLevel, UnsupportedError, exp

from asgard_pipelines.errors import InvalidSql
from asgard_pipelines.lakehouse.sql_text import refused
from asgard_pipelines.lakehouse.sql_types import is_decimal, is_integer, is_known

_FLOATS = (exp.DType.DOUBLE, exp.DType.FLOAT)
_UNITS = {
    **{unit: unit for unit in ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "DOY")},
    "DAY_OF_MONTH": "DAY",
    "DAY_OF_WEEK": "ISODOW",
    "DAY_OF_YEAR": "DOY",
    "DOW": "ISODOW",  # Monday is 1; DuckDB's own DOW begins with Sunday and 0
    "YEAR_OF_WEEK": "ISOYEAR",
    "YOW": "ISOYEAR",
}
_TIMES = (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.DATETIME)


def duckdb_sql(query: exp.Query) -> str:
    """DuckDB's text of a typed query.

    Raises:
        InvalidSql: the meaning depends on a type that is not known, or DuckDB cannot keep it.
    """
    for node in list(query.walk(bfs=False))[::-1]:  # children before their parents
        rewrite = _REWRITES.get(type(node))
        if rewrite is not None:
            rewrite(node)
    try:
        return query.sql("duckdb", unsupported_level=ErrorLevel.IMMEDIATE)
    except UnsupportedError as error:
        raise InvalidSql(f"DuckDB cannot run it: {str(error).rstrip('.')}.") from None


def _div(node: exp.Div) -> None:
    _need_types(node, node.left, node.right)
    if is_integer(node.left) and is_integer(node.right):
        _replace(node, exp.IntDiv(this=_wrapped(node.left), expression=_wrapped(node.right)))
    elif is_decimal(node):
        _outside(node, lambda inner: exp.cast(inner, node.type or "DECIMAL"))
    else:
        node.set("typed", False)


def _arithmetic(node: exp.Expr) -> None:
    if is_decimal(node):
        _outside(node, lambda inner: exp.cast(inner, node.type or "DECIMAL"))
    elif node.is_type(exp.DType.DATE):
        _outside(node, lambda inner: exp.cast(inner, "DATE"))


def _sub(node: exp.Sub) -> None:
    if node.left.is_type(exp.DType.DATE) and node.right.is_type(exp.DType.DATE):
        raise refused(node, "A date minus a date cannot be run: write date_diff('day', …, …)")
    _arithmetic(node)


def _sum(node: exp.Expr) -> None:
    _in_order(node)
    if is_integer(node) or node.is_type(exp.DType.FLOAT):
        kind = node.type
        _outside(node, lambda inner: exp.cast(inner, kind or "BIGINT"))


def _avg(node: exp.Expr) -> None:
    _in_order(node)
    if is_decimal(node) or node.is_type(exp.DType.FLOAT):
        _outside(node, lambda inner: exp.cast(inner, node.type or "DOUBLE"))


def _in_order(node: exp.Expr) -> None:
    """Add floating numbers up in their own order: the last bit is the same whatever order rows come in."""
    first = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    if not first.is_type(*_FLOATS) or isinstance(_outermost(node), exp.Window):
        return
    second = node.args.get("expression")
    order = [exp.Ordered(this=operand.copy()) for operand in (first, second) if operand is not None]
    last = node.this if second is None else second
    last.replace(exp.Order(this=last.copy(), expressions=order))


def _like_type(node: exp.Expr) -> None:
    if is_integer(node) or node.is_type(*_FLOATS, exp.DType.DATE):
        _outside(node, lambda inner: exp.cast(inner, node.type or "DOUBLE"))


def _text(node: exp.Expr) -> None:
    """Beside a NULL DuckDB forgets that the result is text."""
    _outside(node, lambda inner: exp.cast(inner, "VARCHAR"))


def _date_diff(node: exp.Expr) -> None:
    """Trino counts whole units that have passed, DuckDB's date_diff boundaries that were crossed."""
    unit = exp.Literal.string(node.text("unit").lower() or "day")
    start, end = node.expression.copy(), node.this.copy()
    _replace(node, exp.Anonymous(this="date_sub", expressions=[unit, start, end]))


def _cast(node: exp.Cast) -> None:
    of, to = node.this, node.to
    if is_integer_type(to) and (of.is_type(*_FLOATS) or is_decimal(of)):
        of.replace(exp.Round(this=of.copy()))  # away from zero, where DuckDB's cast rounds half to even
    if to.this in exp.DataType.TEXT_TYPES and to.expressions:
        raise refused(node, "A cast to a text of limited length cannot be run: use substr")
    if to.this in exp.DataType.TEXT_TYPES and of.is_type(*_FLOATS, *_TIMES):
        raise refused(node, f"A {of.type.sql('trino').lower()} as text differs from engine to engine")
    if to.this in (*_TIMES, exp.DType.TIME) and to.expressions:
        if not isinstance(of, exp.Literal) and int(to.expressions[0].name) < 6:
            raise refused(node, "A cast to a timestamp below microseconds cannot be run")
        to.set("expressions", None)


def _extract(node: exp.Extract) -> None:
    unit = node.name.upper()
    if unit not in _UNITS:
        raise refused(node, f"EXTRACT({unit} …) cannot be run")
    node.set("this", exp.var(_UNITS[unit]))


def is_integer_type(kind: exp.DataType) -> bool:
    return kind.this in exp.DataType.INTEGER_TYPES


_REWRITES: dict[type[exp.Expr], Callable[[Any], None]] = {
    exp.Add: _arithmetic,
    exp.Avg: _avg,
    exp.Cast: _cast,
    exp.Ceil: _like_type,
    exp.Concat: _text,
    exp.Corr: _in_order,
    exp.CountIf: _sum,
    exp.CovarPop: _in_order,
    exp.CovarSamp: _in_order,
    exp.DateAdd: _arithmetic,
    exp.DateDiff: _date_diff,
    exp.Div: _div,
    exp.Extract: _extract,
    exp.Floor: _like_type,
    exp.Mod: _arithmetic,
    exp.Mul: _arithmetic,
    exp.Sign: _like_type,
    exp.Stddev: _in_order,
    exp.StddevPop: _in_order,
    exp.StddevSamp: _in_order,
    exp.Sub: _sub,
    exp.Sum: _sum,
    exp.TimestampTrunc: _like_type,
    exp.TryCast: _cast,
    exp.Variance: _in_order,
    exp.VariancePop: _in_order,
}


def _need_types(node: exp.Expr, *operands: exp.Expr) -> None:
    for operand in operands:
        if not is_known(operand):
            text = operand.sql("trino")
            raise refused(node, f"The type of {text} decides what '/' means here: write CAST({text} AS …)")


def _outermost(node: exp.Expr) -> exp.Expr:
    """`node` with its FILTER and OVER clauses."""
    around = node.parent
    while isinstance(around, exp.Filter | exp.Window | exp.IgnoreNulls) and around.this is node:
        node, around = around, around.parent
    return node


def _outside(node: exp.Expr, wrap: Callable[[exp.Expr], exp.Expr]) -> None:
    node = _outermost(node)
    _replace(node, wrap(node.copy()))


def _replace(node: exp.Expr, by: exp.Expr) -> None:
    by.type = node.type
    node.replace(by)


def _wrapped(node: exp.Expr) -> exp.Expr:
    return exp.paren(node.copy()) if isinstance(node, exp.Binary) else node.copy()
