"""Kinds of columns, each with the few values that faults hide behind, and how they become Arrow's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from asgard_pipelines_tests.contracts.oracle import moment

US = pa.timestamp("us")
ZONED = pa.timestamp("us", "UTC")
DAY = date(2024, 2, 29)
NOON = datetime(2024, 2, 29, 12, 0, 0, 1)


@dataclass(frozen=True)
class Kind:
    """`values` fit every one of `stored`; `asked` are the types in which a key of this kind is asked."""

    name: str
    values: tuple[Any, ...]
    stored: tuple[pa.DataType, ...]
    asked: tuple[pa.DataType, ...] = ()
    only_asked: tuple[Any, ...] = ()
    """Values that no source holds; some fit the first of `asked` alone."""


KEYS = (
    Kind("dense", (0, 1, 2, 3), (pa.int64(), pa.int32()), (pa.int64(), pa.int32(), pa.int8(), pa.uint32())),
    Kind("sparse", (-7, 5, 10**6, 2**31 - 1, -(2**31)), (pa.int64(), pa.int32()), (pa.int64(), pa.int32())),
    Kind("wide", (-(2**63), 2**63 - 1, 0, -1, 10**12), (pa.int64(),), (pa.int64(),)),
    Kind("wrapping", (0, 1), (pa.int32(), pa.int64()), (pa.int64(), pa.uint64()), (2**32, 2**32 + 1)),
    Kind(
        "words",
        ("", "a", "A", "a ", "é", "e\u0301", "日本", "a\0", "\U0001f600"),
        (pa.string(),),
        (pa.string(), pa.large_string()),
        ("b",),
    ),
    Kind(
        "prefixes",
        ("customer-00000000", "customer-00000001", "customer-000000010", "customer-" + "0" * 200),
        (pa.string(),),
        (pa.string(), pa.large_string()),
        ("customer-", "customer-" + "0" * 199),
    ),
    Kind("flags", (True, False), (pa.bool_(),), (pa.bool_(),)),
    Kind("days", (DAY, date(1969, 12, 31), date(1, 1, 1)), (pa.date32(),), (pa.date32(), US)),
    Kind(
        "instants",
        (NOON, datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(9999, 12, 31)),
        (US, ZONED),
        (US, ZONED, pa.timestamp("us", "Europe/Berlin")),
    ),
    Kind("bytes", (b"", b"a", b"a\0", b"\xff" * 20), (pa.binary(),), (pa.binary(), pa.large_binary())),
    Kind(
        "amounts",
        (Decimal("0.00"), Decimal("-1.10"), Decimal("9999999.99")),
        (pa.decimal128(9, 2),),
        (pa.decimal128(9, 2),),
    ),
)

VALUES = (
    Kind("int64", (0, 1, -1, 2**63 - 1, -(2**63)), (pa.int64(),)),
    Kind("int32", (0, 1, -1, 2**31 - 1), (pa.int32(),)),
    Kind(
        "float64",
        (0.0, -1.5, 1e300, float("nan"), float("inf"), float("-inf")),
        (pa.float64(),),
    ),
    Kind("float32", (0.0, -1.5, 0.25, float("nan")), (pa.float32(),)),
    Kind("bool", (True, False), (pa.bool_(),)),
    Kind("string", ("", "a", "b", "Z", "ä", "日本", "x" * 40), (pa.string(),)),
    Kind("timestamp", (NOON, datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)), (US, ZONED)),
    Kind("date", (DAY, date(1, 1, 1), date(9999, 12, 31)), (pa.date32(),)),
    Kind("binary", (b"", b"a", b"\xff", b"b" * 20), (pa.binary(),)),
    Kind(
        "decimal",
        (Decimal("0.00"), Decimal("-1.10"), Decimal("10.00"), Decimal("9.99")),
        (pa.decimal128(9, 2), pa.decimal128(38, 2)),
    ),
    Kind("list<int64>", ([], [1], [2], [1, 2], [10], [None], [1, None]), (pa.list_(pa.int64()),)),
    Kind("list<string>", ([], ["a"], ["", "b"], [None]), (pa.list_(pa.string()),)),
    Kind("list<float64>", ([], [0.5], [0.5, 0.25], [None, 1.0]), (pa.list_(pa.float64()),)),
)

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Values as `oracle` takes them, as an Arrow array; times must be whole in the type's unit."""
    if not pa.types.is_timestamp(kind):
        return pa.array(values, kind)
    counts = [None if value is None else _count(value, kind.unit) for value in values]
    return pa.array(counts, pa.int64()).cast(kind)


def _count(value: Any, unit: str) -> int:
    if isinstance(value, np.datetime64):
        return int(value.astype("datetime64[ns]").astype(np.int64))
    return moment(value) * _PER_SECOND[unit] // 10**6


def table(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.table([array([row[field.name] for row in rows], field.type) for field in schema], schema=schema)


def plain(kind: pa.DataType) -> pa.DataType:
    """The type in which a stored column comes back."""
    return US if pa.types.is_timestamp(kind) else kind
