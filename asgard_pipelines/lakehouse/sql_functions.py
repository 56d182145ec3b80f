"""The functions that a SELECT may use: those whose meaning is the same on every engine after translation.

A function that is missing here is refused by name. Silence would be worse: engines share names and
differ in nulls, rounding, and what they may read.
"""

from __future__ import annotations

from sqlglot import exp

AGGREGATES: frozenset[type[exp.Expr]] = frozenset(
    {
        exp.AnyValue,
        exp.ApproxDistinct,
        exp.ApproxQuantile,
        exp.ArgMax,
        exp.ArgMin,
        exp.ArrayAgg,
        exp.Avg,
        exp.Corr,
        exp.Count,
        exp.CountIf,
        exp.CovarPop,
        exp.CovarSamp,
        exp.LogicalAnd,
        exp.LogicalOr,
        exp.Max,
        exp.Min,
        exp.Stddev,
        exp.StddevPop,
        exp.StddevSamp,
        exp.Sum,
        exp.Variance,
        exp.VariancePop,
    }
)

_WINDOW = {
    exp.CumeDist,
    exp.DenseRank,
    exp.FirstValue,
    exp.Lag,
    exp.LastValue,
    exp.Lead,
    exp.NthValue,
    exp.Ntile,
    exp.PercentRank,
    exp.Rank,
    exp.RowNumber,
}

_CONDITIONS = {exp.And, exp.Or, exp.Case, exp.Coalesce, exp.Exists, exp.If, exp.Nullif, exp.Cast, exp.TryCast}

_NUMBERS = {
    exp.Abs,
    exp.Cbrt,
    exp.Ceil,
    exp.Exp,
    exp.Floor,
    exp.Greatest,
    exp.IsNan,
    exp.Least,
    exp.Ln,
    exp.Log,
    exp.Pi,
    exp.Pow,
    exp.Round,
    exp.Sign,
    exp.Sqrt,
}

_TEXT = {
    exp.Concat,
    exp.Length,
    exp.Lower,
    exp.RegexpLike,
    exp.Replace,
    exp.Reverse,
    exp.StartsWith,
    exp.StrPosition,
    exp.Substring,
    exp.Trim,
    exp.Upper,
}

_TIMES = {
    exp.CurrentDate,
    exp.CurrentTimestamp,
    exp.Date,
    exp.DateAdd,
    exp.DateDiff,
    exp.Day,
    exp.DayOfWeekIso,
    exp.DayOfYear,
    exp.Extract,
    exp.Hour,
    exp.LastDay,
    exp.Minute,
    exp.Month,
    exp.Quarter,
    exp.Second,
    exp.TimestampTrunc,
    exp.WeekOfYear,
    exp.Year,
}

_ARRAYS = {exp.Array, exp.ArrayContains, exp.ArraySize, exp.GenerateSeries, exp.Unnest}

FUNCTIONS: frozenset[type[exp.Expr]] = frozenset(
    AGGREGATES | _WINDOW | _CONDITIONS | _NUMBERS | _TEXT | _TIMES | _ARRAYS
)

NOT_DETERMINISTIC: dict[type[exp.Expr], str] = {
    exp.CurrentDate: "current_date",
    exp.CurrentTimestamp: "current_timestamp",
    exp.ApproxDistinct: "approx_distinct",
    exp.ApproxQuantile: "approx_percentile",
}
