"""Dividing rows into train, gap and test: by time, or at random when asked."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from asgard_pipelines.errors import Invalid
from asgard_pipelines.training.content import digests

TRAIN, GAP, TEST = 0, 1, 2
NAMES = ("train", "gap", "test")

Parts = NDArray[np.int8]
"""One of `TRAIN`, `GAP`, `TEST` per row."""


def split_by_time(times: NDArray[np.int64], *, test_size: float, horizon: int) -> Parts:
    """The newest rows are the test, at least a `test_size` share of them.

    The boundary lies between two instants, never within one: the instant that the share would cut
    goes to the test whole, unless nothing would be left before it. A row at `t` with `t + horizon`
    past the first test instant is in the gap, since its label looks into the test's time.

    Args:
        times: Microseconds, one per row; the order does not matter.
        horizon: Microseconds, how far a label looks ahead.

    Raises:
        Invalid: all rows have one time.
    """
    instants, counts = np.unique(times, return_counts=True)
    if len(instants) == 1:
        raise Invalid(
            "All rows have one event time, so they cannot be split by time: declare `split: random`.",
            field="split",
        )
    rows_from = counts[::-1].cumsum()[::-1]  # rows at an instant or after it
    reached = np.flatnonzero(rows_from >= test_size * len(times) - 1e-9)
    first = max(int(reached[-1]) if len(reached) else 0, 1)
    test_start = instants[first]
    parts = np.full(len(times), TRAIN, dtype=np.int8)
    parts[times + horizon > test_start] = GAP
    parts[times >= test_start] = TEST
    return parts


def split_at_random(identities: pa.Table, strata: NDArray[np.int64], *, test_size: float, seed: int) -> Parts:
    """Within each stratum the rows whose seeded hash is smallest are the test.

    A row's side depends on who it is and hardly on what else is there, so most rows stay on their
    side when new ones arrive, and a champion is rarely judged on rows it was trained on.

    Args:
        identities: The columns that say which row it is (entity and time).
        strata: The stratum of each row (a class's code; all zeros without classes).
    """
    drawn = digests(identities, salt=seed.to_bytes(8, "big", signed=True)).view(">u8")[::4]
    parts = np.full(len(strata), TRAIN, dtype=np.int8)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        chosen = members[np.argsort(drawn[members], kind="stable")]
        parts[chosen[: round(len(members) * test_size)]] = TEST
    return parts
