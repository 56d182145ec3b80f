"""The content hash is of the values, and of nothing else."""

from __future__ import annotations

import struct
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgard_pipelines.errors import TypeMismatch
from asgard_pipelines.training.content import content_hash

KINDS = {
    "b": pa.bool_(),
    "i": pa.int64(),
    "f": pa.float64(),
    "s": pa.string(),
    "t": pa.timestamp("us"),
}
ROW = st.fixed_dictionaries(
    {
        "b": st.none() | st.booleans(),
        "i": st.none() | st.integers(-(2**63), 2**63 - 1),
        "f": st.none() | st.floats(allow_nan=False),
        "s": st.none() | st.text(st.characters(codec="utf-8"), max_size=5),
        "t": st.none() | st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)),
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
        return sorted(repr(row) for row in of)  # repr tells 0.0 from -0.0, None from 0 and ''

    assert (content_hash(table_of(rows)) == content_hash(table_of(others))) == (bag(rows) == bag(others))


def test_the_encoding_is_the_documented_one_for_ever() -> None:
    at = datetime(2024, 2, 29, 12)
    table = table_of(
        [
            {"b": True, "i": -2, "f": 0.5, "s": "Grüße", "t": at},
            {"b": None, "i": None, "f": None, "s": None, "t": None},
        ]
    )
    text = sha256("Grüße".encode()).digest()
    micros = (at - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    full = struct.pack("<BqBqBdB32sBq", 1, 1, 1, -2, 1, 0.5, 1, text, 1, micros)
    rows = sorted(sha256(row).digest() for row in (full, bytes(len(full))))
    header = b"b:bool\ni:int\nf:float\ns:string\nt:time"
    assert content_hash(table) == sha256(header + b"".join(rows)).hexdigest()
    assert content_hash(table) == "d13ca373f14e53dc15f2ebe6ec25eb0984ca607a67940349eb28a0ae2430f00b"


def test_widths_of_one_kind_are_equal_and_kinds_are_not() -> None:
    narrow, wide = pa.table({"x": pa.array([1], pa.int32())}), pa.table({"x": pa.array([1], pa.int64())})
    assert content_hash(narrow) == content_hash(wide)
    assert content_hash(wide) != content_hash(pa.table({"x": [1.0]}))
    assert content_hash(wide) != content_hash(wide.rename_columns(["y"]))


def test_arrays_are_refused_by_name() -> None:
    with pytest.raises(TypeMismatch, match="'vector' is list"):
        content_hash(pa.table({"vector": [[1.0, 2.0]]}))
