"""The content hash is of the values, and of nothing else."""

from __future__ import annotations

import struct
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgard_pipelines.errors import TypeMismatch
from asgard_pipelines.training.content import ContentHash, content_hash

KINDS = {
    "b": pa.bool_(),
    "i": pa.int64(),
    "f": pa.float64(),
    "s": pa.string(),
    "t": pa.timestamp("us"),
    "d": pa.decimal128(6, 2),
    "y": pa.binary(),
    "a": pa.list_(pa.float64()),
    "w": pa.list_(pa.string()),
}
TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
ROW = st.fixed_dictionaries(
    {
        "b": st.none() | st.booleans(),
        "i": st.none() | st.integers(-(2**63), 2**63 - 1),
        "f": st.none() | st.floats(allow_nan=False),
        "s": st.none() | TEXT,
        "t": st.none() | st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)),
        "d": st.none() | st.decimals(-1000, 1000, places=2),
        "y": st.none() | st.binary(max_size=3),
        "a": st.none() | st.lists(st.none() | st.floats(allow_nan=False), max_size=3),
        "w": st.none() | st.lists(st.none() | TEXT, max_size=3),
    }
)


def table_of(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=pa.schema(KINDS))


@settings(deadline=None)
@given(st.lists(ROW, max_size=12), st.randoms())
def test_neither_order_nor_chunks_matter(rows: list[dict[str, Any]], random: Any) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    half = len(rows) // 2
    chunked = pa.concat_tables([table_of(shuffled[:half]), table_of(shuffled[half:])])
    assert content_hash(chunked) == content_hash(table_of(rows))


@settings(deadline=None)
@given(st.lists(ROW, max_size=6), st.lists(ROW, max_size=6))
def test_tables_have_one_hash_only_if_they_have_the_same_rows(
    rows: list[dict[str, Any]], others: list[dict[str, Any]]
) -> None:
    def bag(of: list[dict[str, Any]]) -> list[str]:
        values = [[row[name] for name in KINDS] for row in table_of(of).to_pylist()]
        return sorted(map(repr, values))  # repr tells 0.0 from -0.0, None from 0 and ''

    assert (content_hash(table_of(rows)) == content_hash(table_of(others))) == (bag(rows) == bag(others))


def test_the_encoding_is_the_documented_one_for_ever() -> None:
    at = datetime(2024, 2, 29, 12)
    table = table_of([{"b": True, "i": -2, "f": 0.5, "s": "Grüße", "t": at}, {}]).select(list("bifst"))
    text = sha256("Grüße".encode()).digest()
    micros = (at - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    full = struct.pack("<BqBqBdB32sBq", 1, 1, 1, -2, 1, 0.5, 1, text, 1, micros)
    rows = sorted(sha256(row).digest() for row in (full, bytes(len(full))))
    header = b"b:bool\ni:int\nf:float\ns:string\nt:time"
    assert content_hash(table) == sha256(header + b"".join(rows)).hexdigest()
    assert content_hash(table) == "d13ca373f14e53dc15f2ebe6ec25eb0984ca607a67940349eb28a0ae2430f00b"


def test_so_is_that_of_decimals_bytes_and_arrays() -> None:
    table = table_of([{"d": Decimal("-12.50"), "y": b"\0\1", "a": [0.5, None], "w": []}, {}])
    inner = sha256(struct.pack("<BdBd", 1, 0.5, 0, 0.0)).digest()
    hashes = [sha256(b"-12.5").digest(), sha256(b"\0\1").digest(), inner, sha256().digest()]
    full = b"".join(b"\1" + value for value in hashes)
    rows = sorted(sha256(row).digest() for row in (full, bytes(len(full))))
    header = b"d:decimal\ny:binary\na:array<float>\nw:array<string>"
    assert content_hash(table.select(list("dyaw"))) == sha256(header + b"".join(rows)).hexdigest()


def one(values: list[Any], kind: pa.DataType) -> str:
    return content_hash(pa.table({"x": pa.array(values, kind)}))


@pytest.mark.parametrize(
    ("value", "narrow", "wide"),
    [
        (1, pa.int32(), pa.int64()),
        (0.5, pa.float32(), pa.float64()),
        (Decimal("1.5"), pa.decimal128(3, 1), pa.decimal128(30, 9)),
        (datetime(2024, 2, 29), pa.date32(), pa.timestamp("us")),
        ("é", pa.string(), pa.large_string()),
        (b"xy", pa.binary(2), pa.large_binary()),
        ([1, None], pa.list_(pa.int32()), pa.large_list(pa.int64())),
    ],
    ids=str,
)
def test_widths_of_one_kind_are_equal(value: Any, narrow: pa.DataType, wide: pa.DataType) -> None:
    assert one([value, None], narrow) == one([value, None], wide)


def test_kinds_names_and_what_is_nearly_equal_are_not() -> None:
    near = [
        one([1], pa.int64()),
        one([1.0], pa.float64()),
        one([-0.0], pa.float64()),
        one([0.0], pa.float64()),
        one([None], pa.float64()),
        one([float("nan")], pa.float64()),
        one([Decimal(1)], pa.decimal128(3, 1)),
        one(["1"], pa.string()),
        one([b"1"], pa.binary()),
        one([None], pa.list_(pa.int64())),
        one([[]], pa.list_(pa.int64())),
        one([[None]], pa.list_(pa.int64())),
        one([[1], [2]], pa.list_(pa.int64())),
        one([[1, 2], []], pa.list_(pa.int64())),
        content_hash(pa.table({"y": [1]})),
    ]
    assert len(set(near)) == len(near)


def test_every_nan_is_one_and_a_decimal_loses_no_digit() -> None:
    other = struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000001))[0]
    assert one([float("nan")], pa.float64()) == one([other], pa.float64())
    kind = pa.decimal128(38, 0)
    assert one([Decimal(10**37)], kind) != one([Decimal(10**37 + 1)], kind)


@settings(deadline=None)
@given(st.lists(ROW, min_size=2, max_size=8))
def test_batches_give_the_hash_of_the_whole(rows: list[dict[str, Any]]) -> None:
    table = table_of(rows)
    streamed = ContentHash(table.schema)
    for batch in table.slice(0, 1).to_batches() + table.slice(1).to_batches():
        streamed.update(batch)
    assert streamed.hexdigest() == content_hash(table)


def test_what_is_no_column_of_ours_is_refused_by_name() -> None:
    with pytest.raises(TypeMismatch, match="'where' is struct"):
        content_hash(pa.table({"where": [{"x": 1}]}))
