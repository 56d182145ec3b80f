"""The types that Trino gives to expressions, where sqlglot's own rules are not Trino's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.optimizer.annotate_types import TypeAnnotator, annotate_types

_INTEGERS = exp.DataType.INTEGER_TYPES
_INT32_MAX = 2**31 - 1
_WIDEST = 38
_DIGITS = {exp.DType.TINYINT: 3, exp.DType.SMALLINT: 5, exp.DType.INT: 10, exp.DType.BIGINT: 19}

_Annotator = Callable[[TypeAnnotator, Any], exp.Expr]


def with_types(query: exp.Query, schema: Mapping[str, Mapping[str, str]]) -> exp.Query:
    """`query` (qualified), each node with the type that Trino gives it as far as that is known."""
    return annotate_types(query, schema=dict(schema), dialect="trino", expression_metadata=_RULES)


def is_known(node: exp.Expr) -> bool:
    return node.type is not None and not node.is_type(exp.DType.UNKNOWN, exp.DType.NULL)


def is_integer(node: exp.Expr) -> bool:
    return node.is_type(*_INTEGERS)


def decimal_of(node: exp.Expr) -> tuple[int, int] | None:
    """Precision and scale of a decimal, or of the decimal that an integer becomes beside one."""
    if node.type is None:
        return None
    if node.type.this in _DIGITS:
        return _DIGITS[node.type.this], 0
    if node.is_type(exp.DType.DECIMAL):
        sizes = [int(size.name) for size in node.type.expressions]
        return (sizes[0], sizes[1] if len(sizes) > 1 else 0) if sizes else (_WIDEST, 0)
    return None


def is_decimal(node: exp.Expr) -> bool:
    return node.is_type(exp.DType.DECIMAL)


def decimal(precision: int, scale: int) -> exp.DataType:
    return exp.DataType.build(f"DECIMAL({min(_WIDEST, precision)}, {scale})")


def _literal(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
    if node.args.get("is_string"):
        return annotator._set_type(node, exp.DType.VARCHAR)
    text = node.name.lower()
    if "e" in text:
        return annotator._set_type(node, exp.DType.DOUBLE)
    if "." in text:
        whole, _, fraction = text.partition(".")
        whole = whole.lstrip("0")
        return annotator._set_type(node, decimal(max(1, len(whole) + len(fraction)), len(fraction)))
    return annotator._set_type(node, exp.DType.INT if int(text) <= _INT32_MAX else exp.DType.BIGINT)


def _arithmetic(node_type: type[exp.Binary], fallback: _Annotator) -> _Annotator:
    def annotate(annotator: TypeAnnotator, node: Any) -> exp.Expr:
        left, right = node.left, node.right
        if is_integer(left) and is_integer(right):
            wide = any(side.is_type(exp.DType.BIGINT) for side in (left, right))
            return annotator._set_type(node, exp.DType.BIGINT if wide else exp.DType.INT)
        if is_decimal(left) or is_decimal(right):
            sides = decimal_of(left), decimal_of(right)
            if sides[0] is not None and sides[1] is not None:
                return annotator._set_type(node, decimal(*_decimal_result(node_type, *sides[0], *sides[1])))
            for side in (left, right):
                if side.is_type(exp.DType.DOUBLE, exp.DType.FLOAT):
                    return annotator._set_type(node, side.type)
            return annotator._set_type(node, exp.DType.UNKNOWN)
        return fallback(annotator, node)

    return annotate


def _decimal_result(kind: type[exp.Binary], p1: int, s1: int, p2: int, s2: int) -> tuple[int, int]:
    """Precision and scale of an operation on decimals, as Trino's documentation gives them."""
    if kind is exp.Mul:
        return p1 + p2, s1 + s2
    if kind is exp.Div:
        return p1 + s2 + max(0, s2 - s1), max(s1, s2)
    if kind is exp.Mod:
        return min(p1 - s1, p2 - s2) + max(s1, s2), max(s1, s2)
    return max(p1 - s1, p2 - s2) + max(s1, s2) + 1, max(s1, s2)


def _sum(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
    of = _argument(node)
    if is_integer(of):
        return annotator._set_type(node, exp.DType.BIGINT)
    if is_decimal(of):
        return annotator._set_type(node, decimal(_WIDEST, (decimal_of(of) or (0, 0))[1]))
    return annotator._set_type(node, of.type)


def _avg(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
    of = _argument(node)
    return annotator._set_type(node, exp.DType.DOUBLE if is_integer(of) else of.type)


def _argument(node: exp.Expr) -> exp.Expr:
    of: exp.Expr = node.this
    return of.expressions[0] if isinstance(of, exp.Distinct) else of


def _like_argument(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
    return annotator._set_type(node, node.this.type)


_TRINO = Dialect.get_or_raise("trino").EXPRESSION_METADATA

_RULES: dict[type[exp.Expr], Any] = {
    **_TRINO,
    **{
        kind: {"annotator": _arithmetic(kind, _TRINO[kind].get("annotator", TypeAnnotator._annotate_binary))}
        for kind in (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)
    },
    **{
        kind: {"annotator": _like_argument}
        for kind in (
            exp.ArgMax,
            exp.ArgMin,
            exp.AnyValue,
            exp.Ceil,
            exp.Floor,
            exp.Round,
            exp.Sign,
            exp.Abs,
            exp.TimestampTrunc,
            exp.Lag,
            exp.Lead,
            exp.FirstValue,
            exp.LastValue,
            exp.NthValue,
            exp.Neg,
            exp.Nullif,
            exp.Reverse,
            exp.Replace,
        )
    },
    **{
        kind: {"returns": exp.DType.BIGINT}
        for kind in (
            exp.ApproxDistinct,
            exp.ArraySize,
            exp.CountIf,
            exp.Count,
            exp.DateDiff,
            exp.Day,
            exp.DayOfWeekIso,
            exp.DayOfYear,
            exp.DenseRank,
            exp.Extract,
            exp.Hour,
            exp.Length,
            exp.Minute,
            exp.Month,
            exp.Ntile,
            exp.Quarter,
            exp.Rank,
            exp.RowNumber,
            exp.Second,
            exp.StrPosition,
            exp.WeekOfYear,
            exp.Year,
        )
    },
    **{
        kind: {"returns": exp.DType.DOUBLE}
        for kind in (
            exp.Cbrt,
            exp.Corr,
            exp.CovarPop,
            exp.CovarSamp,
            exp.CumeDist,
            exp.Exp,
            exp.Ln,
            exp.Log,
            exp.PercentRank,
            exp.Pi,
            exp.Pow,
            exp.Sqrt,
            exp.Stddev,
            exp.StddevPop,
            exp.StddevSamp,
            exp.Variance,
            exp.VariancePop,
        )
    },
    exp.Avg: {"annotator": _avg},
    exp.Literal: {"annotator": _literal},
    exp.Sum: {"annotator": _sum},
}
