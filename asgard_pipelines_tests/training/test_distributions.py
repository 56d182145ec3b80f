"""A shift is told by how far it goes, and drawn from both sides alike."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgard_pipelines.training.distributions import Shift, shift

NUMBERS = st.lists(st.none() | st.floats(-1e6, 1e6) | st.integers(-5, 5), max_size=40)
WORDS = st.lists(st.none() | st.sampled_from("abcdefghijklmnopqr"), max_size=40)


def of(a: list[Any], b: list[Any], kind: pa.DataType) -> Shift:
    return shift("x", pa.chunked_array([pa.array(a, kind)]), pa.chunked_array([pa.array(b, kind)]))


@settings(deadline=None)
@given(st.one_of(st.tuples(NUMBERS, NUMBERS), st.tuples(WORDS, WORDS)))
def test_shares_are_of_all_values_and_no_shift_is_negative(sides: tuple[list[Any], list[Any]]) -> None:
    words = any(isinstance(value, str) for side in sides for value in side)
    found = of(*sides, pa.string() if words else pa.float64())
    assert found.psi >= 0
    for side, values in ((found.a, sides[0]), (found.b, sides[1])):
        there = [value for value in values if value is not None]
        assert (side.rows, side.nulls) == (len(values), len(values) - len(there))
        assert len(side.bars) == (0 if not there else len(found.labels) if words else len(found.edges) - 1)
        assert sum(side.bars) == pytest.approx(1 if there else 0)


@settings(deadline=None)
@given(st.one_of(NUMBERS, WORDS))
def test_equal_sides_do_not_shift(values: list[Any]) -> None:
    words = any(isinstance(value, str) for value in values)
    assert of(values, values[::-1], pa.string() if words else pa.float64()).psi == pytest.approx(0, abs=1e-12)


def test_the_index_is_the_published_one() -> None:
    found = of(["x"] * 60 + ["y"] * 40, ["x"] * 30 + ["y"] * 60 + [None] * 10, pa.string())
    a, b = np.array([60.5, 40.5, 0.5]) / 101.5, np.array([30.5, 60.5, 10.5]) / 101.5
    assert found.psi == pytest.approx(sum((q - p) * math.log(q / p) for p, q in zip(a, b, strict=True)))


def test_two_samples_of_one_source_stay_below_what_is_called_stable() -> None:
    rng = np.random.default_rng(3)
    same = of(list(rng.normal(size=3000)), list(rng.normal(size=3000)), pa.float64())
    moved = of(list(rng.normal(size=3000)), list(rng.normal(1.0, size=3000)), pa.float64())
    assert same.psi < 0.02
    assert moved.psi > 0.25


def test_the_rarest_categories_share_a_bar() -> None:
    values = [letter for place, letter in enumerate("abcdefghijklmnop") for _ in range(20 - place)]
    found = of(values, values[:100], pa.string())
    assert found.labels == [*"abcdefghijk", "others"]
    assert found.a.bars[0] == 20 / len(values)


def test_whole_numbers_are_not_cut_between_two() -> None:
    found = of([1, 2, 3, 3], [3, 4], pa.int64())
    assert found.edges == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert found.a.bars == [0.25, 0.25, 0.5, 0.0]


def test_times_are_told_as_times_and_arrays_by_their_length() -> None:
    times = of([datetime(2024, 1, 1), datetime(2024, 1, 3)], [None], pa.timestamp("us"))
    assert times.kind == "time"
    assert times.a.mean == datetime(2024, 1, 2, tzinfo=UTC)
    assert times.a.quantiles[-1] == datetime(2024, 1, 3, tzinfo=UTC)
    assert (times.b.mean, times.b.quantiles, times.b.bars) == (None, [], [])
    arrays = of([[1, 2], [], None], [[1]], pa.list_(pa.int64()))
    assert (arrays.kind, arrays.a.mean, arrays.a.nulls) == ("length", 1.0, 1)
