"""What every engine promises of keys: they are equal exactly when their values are, and a null never is."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from asgard_pipelines_tests.contracts.clock import HOUR, NOON, times
from asgard_pipelines_tests.contracts.conftest import Ask


def test_no_null_matches_anything(ask: Ask) -> None:
    rows = {"k": pa.array([None, "a", "b"]), "at": times(NOON, None, NOON), "v": [1, 2, 3]}
    asked = {"k": pa.array([None, "a", "b", "b"]), "at": times(NOON, NOON, None, NOON)}
    assert ask(asked, rows) == [None, None, None, 3]
    flags = {"k": pa.array([None, True, False]), "at": times(NOON, NOON, NOON), "v": [1, 2, 3]}
    assert ask({"k": pa.array([None, True, False]), "at": times(NOON, NOON, NOON)}, flags) == [None, 2, 3]


def test_a_key_with_one_null_part_matches_nothing(ask: Ask) -> None:
    rows = {"k": ["a", "a"], "l": pa.array([None, 1]), "at": times(NOON, NOON), "v": [1, 2]}
    asked = {"k": ["a", "a"], "l": pa.array([None, 1]), "at": times(NOON, NOON)}
    assert ask(asked, rows) == [None, 2]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1, 12), (11, 2)),
        ((0, 1), (1, 0)),
        ((7, 1), (7, 2)),
        (("a", "bc"), ("ab", "c")),
        (("", "x"), ("x", "")),
    ],
)
def test_the_parts_of_a_key_are_not_confused(ask: Ask, one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    both = {"k": [one[0], other[0]], "l": [one[1], other[1]], "at": times(NOON, NOON)}
    assert ask(both, both | {"v": [1, 2]}) == [1, 2]
    first = {name: column[:1] for name, column in both.items()}
    assert ask(both, first | {"v": [1]}) == [1, None]


def test_text_is_the_same_only_byte_for_byte(ask: Ask) -> None:
    words = ["é", "e\u0301", "a", "a ", "A", "", "a\0", "x" * 16, "x" * 17, "x" * 16 + "y", "日本"]
    asked = {"k": words, "at": times(*[NOON] * len(words))}
    assert ask(asked, asked | {"v": list(range(len(words)))}) == list(range(len(words)))
    for number, word in enumerate(words):
        row = {"k": [word], "at": times(NOON), "v": [1]}
        assert ask(asked, row) == [1 if place == number else None for place in range(len(words))]


def test_integers_are_compared_by_value_whatever_their_width(ask: Ask) -> None:
    rows = {"k": pa.array([0, -1], pa.int32()), "at": times(NOON, NOON), "v": [1, 2]}
    wide = pa.array([0, 2**32, 2**32 - 1, -1], pa.int64())
    assert ask({"k": wide, "at": times(*[NOON] * 4)}, rows) == [1, None, None, 2]
    unsigned = pa.array([0, 2**64 - 1, 2**63, None], pa.uint64())
    assert ask({"k": unsigned, "at": times(*[NOON] * 4)}, rows) == [1, None, None, None]


def test_decimals_are_compared_by_value_whatever_their_digits(ask: Ask) -> None:
    rows = {"k": pa.array(["1.50", "-0.01"]).cast(pa.decimal128(9, 2)), "at": times(NOON, NOON), "v": [1, 2]}
    fine = pa.array(["1.50000", "1.50001", "-0.01", "99999999999.5", None]).cast(pa.decimal128(20, 5))
    assert ask({"k": fine, "at": times(*[NOON] * 5)}, rows) == [1, None, 2, None, None]
    coarse = pa.array(["2", "-1"]).cast(pa.decimal128(3, 0))
    assert ask({"k": coarse, "at": times(NOON, NOON)}, rows) == [None, None]


OTHER_TEXT = [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]


@pytest.mark.parametrize("kind", OTHER_TEXT, ids=str)
def test_text_is_text_however_arrow_holds_it(ask: Ask, kind: pa.DataType) -> None:
    asked = {"k": pa.array(["b", None, "a", "c"]).cast(kind), "at": times(*[NOON] * 4)}
    assert ask(asked, {"k": ["a", "b"], "at": times(NOON, NOON), "v": [1, 2]}) == [2, None, 1, None]


@pytest.mark.parametrize("kind", OTHER_TEXT, ids=str)
def test_a_file_s_text_is_text_too(ask: Ask, kind: pa.DataType) -> None:
    """pandas writes its categories so that Arrow reads dictionaries again."""
    rows = {"k": pa.array(["a", "b", None]).cast(kind), "at": times(*[NOON] * 3)}
    rows["v"] = pa.array(["x", "y", "z"]).cast(kind)
    assert ask({"k": ["b", None, "a", "c"], "at": times(*[NOON] * 4)}, rows) == ["y", None, "x", None]


def test_without_keys_all_rows_are_one_history(ask: Ask) -> None:
    rows = {"at": times(NOON, NOON + HOUR), "v": [1, 2]}
    assert ask({"id": [7, 8], "at": times(NOON, NOON + 2 * HOUR)}, rows) == [1, 2]
