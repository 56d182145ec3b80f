from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgard_pipelines.features.point_in_time.orders import ascending, by_number

SMALL = st.lists(st.integers(0, 50), max_size=200)
ANY = st.lists(st.integers(0, 2**62), max_size=50)


@given(SMALL)
def test_rows_of_one_number_come_together_in_their_order(numbers: list[int]) -> None:
    found = by_number(np.array(numbers, np.int32))
    assert found.tolist() == sorted(range(len(numbers)), key=numbers.__getitem__)


@given(st.one_of(SMALL, ANY))
def test_numbers_are_sorted_with_the_rows_they_stand_in(numbers: list[int]) -> None:
    values, rows = ascending(np.array(numbers, np.int64))
    assert values.tolist() == sorted(numbers)
    assert [numbers[row] for row in rows] == values.tolist()
    assert sorted(rows.tolist()) == list(range(len(numbers)))


@pytest.mark.parametrize("bits", [40, 61, 62, 63])
def test_numbers_too_wide_to_share_a_word_with_their_row_are_sorted_all_the_same(bits: int) -> None:
    numbers = np.array([2**bits - 1, 0, 2**bits - 2], np.int64)
    values, rows = ascending(numbers)
    assert values.tolist() == [0, 2**bits - 2, 2**bits - 1]
    assert rows.tolist() == [1, 2, 0]
