"""The split keeps time apart."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgard_pipelines.errors import Invalid
from asgard_pipelines.training.split import GAP, TEST, TRAIN, split_at_random, split_by_time

TIMES = st.lists(st.integers(-50, 50), min_size=2, max_size=60).filter(lambda times: len(set(times)) > 1)
SHARES = st.sampled_from([0.01, 0.1, 0.2, 0.25, 0.5, 0.9, 0.99])


@settings(deadline=None)
@given(TIMES, SHARES, st.integers(0, 40))
def test_the_test_is_the_newest_share_and_no_instant_is_cut(
    times: list[int], test_size: float, horizon: int
) -> None:
    at = np.array(times)
    parts = split_by_time(at, test_size=test_size, horizon=horizon)
    test_start = at[parts == TEST].min()
    assert set(at[parts == TEST]) == {time for time in times if time >= test_start}
    older = [time for time in times if time < test_start]
    assert older
    share = len(times) - len(older)
    next_start = min((time for time in times if time > test_start), default=None)
    if test_start > sorted(set(times))[1]:
        assert share >= test_size * len(times) - 1e-9
    if next_start is not None:
        fewer = sum(time >= next_start for time in times)
        assert fewer < test_size * len(times), "a newer start would have been enough"


@settings(deadline=None)
@given(TIMES, SHARES, st.integers(0, 40))
def test_no_training_label_overlaps_the_test(times: list[int], test_size: float, horizon: int) -> None:
    at = np.array(times)
    parts = split_by_time(at, test_size=test_size, horizon=horizon)
    test_start = at[parts == TEST].min()
    for time, part in zip(times, parts, strict=True):
        if time < test_start:
            assert part == (TRAIN if time + horizon <= test_start else GAP)


@settings(deadline=None)
@given(TIMES, SHARES, st.randoms())
def test_the_order_of_rows_does_not_matter_to_time(
    times: list[int], test_size: float, random: object
) -> None:
    order = list(range(len(times)))
    random.shuffle(order)  # type: ignore[attr-defined]
    at = np.array(times)
    parts = split_by_time(at, test_size=test_size, horizon=3)
    assert (split_by_time(at[order], test_size=test_size, horizon=3) == parts[order]).all()


def test_three_of_twelve_months_are_the_test_of_a_fifth() -> None:
    months = np.repeat(np.arange(12), 100)
    parts = split_by_time(months, test_size=0.2, horizon=3)
    assert sorted(set(months[parts == TEST])) == [9, 10, 11]
    assert sorted(set(months[parts == GAP])) == [7, 8]


def test_one_instant_is_told_to_split_at_random() -> None:
    with pytest.raises(Invalid, match="split: random"):
        split_by_time(np.array([5, 5, 5]), test_size=0.2, horizon=0)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=80), SHARES, st.integers(-5, 5))
def test_a_random_split_is_stratified_and_seeded(strata: list[int], test_size: float, seed: int) -> None:
    codes = np.array(strata)
    identities = pa.table({"row": range(len(strata))})
    parts = split_at_random(identities, codes, test_size=test_size, seed=seed)
    for code in set(strata):
        of_class = parts[codes == code]
        assert np.sum(of_class == TEST) == round(len(of_class) * test_size)
    again = split_at_random(
        identities.take(np.arange(len(codes))[::-1]), codes[::-1], test_size=test_size, seed=seed
    )
    assert (again[::-1] == parts).all()


def test_another_seed_splits_otherwise_and_new_rows_hardly_move_old_ones() -> None:
    identities = pa.table({"row": range(1000)})
    codes = np.zeros(1000, dtype=np.int64)
    before = split_at_random(identities.slice(0, 900), codes[:900], test_size=0.2, seed=1)
    after = split_at_random(identities, codes, test_size=0.2, seed=1)[:900]
    assert np.mean(before != after) < 0.03
    assert (
        np.mean(split_at_random(identities.slice(0, 900), codes[:900], test_size=0.2, seed=2) != before) > 0.2
    )
