"""The asked rows, sorted once by key and time: each distinct pair is a slot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from asgard_pipelines.features.kinds import Ints, instants
from asgard_pipelines.features.point_in_time.key_index import Codes, KeyIndex
from asgard_pipelines.features.point_in_time.orders import by_number


class Slots:
    """What searches with the same keys and times share.

    Args:
        keys: the asked rows', one array per key column; none at all: every row has the same key.
        kinds: the types of the columns in which the keys are looked up.
        times: as of which the rows are asked.

    Raises:
        TypeMismatch: a key is of another kind on the two sides, or a time is no time.
    """

    def __init__(
        self, keys: Sequence[pa.ChunkedArray], kinds: Sequence[pa.DataType], times: pa.ChunkedArray
    ) -> None:
        asked, valid = instants(times)
        self._index = KeyIndex(keys, kinds) if keys else None
        codes = self._index.codes if self._index else np.zeros(len(asked), np.int32)
        valid &= codes >= 0
        self.of_row: Codes = np.full(len(asked), -1, np.int32)
        """Each asked row's slot; -1 for a null key or time."""
        self.times, self.keys, self.of_row[valid] = _distinct(codes[valid], asked[valid])
        """Each slot's time and number of its key; ascending by the number, then by the time."""
        numbers = np.arange((self._index.size if self._index else 1) + 1)
        self._begins = np.searchsorted(self.keys, numbers).astype(np.int32)
        self.longest = int(np.diff(self._begins).max(initial=0))
        """The most slots that a key has."""
        self.of_keys = len(numbers) - 1
        """How many keys there are; they are numbered from 0."""
        self.first = int(self.times.min(initial=np.iinfo(np.int64).max))
        self.last = int(self.times.max(initial=np.iinfo(np.int64).min))

    def __len__(self) -> int:
        return len(self.times)

    def codes(self, keys: Sequence[pa.Array], rows: int) -> Codes:
        """The numbers of other rows' keys; -1 for a key that nobody asks for."""
        return self._index.find(keys) if self._index else np.zeros(rows, np.int32)

    def last_times(self) -> Ints:
        """Of each key, the time of its last slot; before all times for a key that has none."""
        result = np.full(self.of_keys, np.iinfo(np.int64).min)
        result[self.keys] = self.times  # of several, the last stays
        return result

    def times_before(self, slots: Ints) -> Ints:
        """The times of the slots before, of the same keys; before all times where there is none."""
        same_key = self.keys.take(slots) == self.keys.take(slots - 1, mode="wrap")
        same_key &= slots > 0
        return np.where(same_key, self.times.take(slots - 1, mode="wrap"), np.iinfo(np.int64).min)

    def at_or_after(self, codes: Codes, since: Ints) -> Ints:
        """The key's first slot whose time is not before `since`; -1 for none. Found by halving."""
        low = self._begins.take(codes)
        end = self._begins.take(codes + 1)
        rows = np.flatnonzero(end - low > 1)  # most keys have few slots, often one
        if len(rows):
            low[rows] = self._halved(low.take(rows), end.take(rows), since.take(rows))
        fits = self.times.take(low, mode="clip") >= since
        fits &= low < end
        return np.where(fits, low, -1).astype(np.int64)

    def _halved(self, low: Codes, end: Codes, since: Ints) -> Codes:
        width = 1 << (self.longest.bit_length() - 1)
        while width:
            probe = low + np.int32(width - 1)
            earlier = self.times.take(probe, mode="clip") < since
            earlier &= probe < end
            low = low + earlier * np.int32(width)
            width >>= 1
        return low


def _distinct(codes: Codes, times: Ints) -> tuple[Ints, Codes, Codes]:
    """The distinct pairs by code and time, as two columns; and for each row which pair it has."""
    by_time = np.argsort(times).astype(np.int32)
    order = by_time[by_number(codes[by_time])]
    del by_time
    codes, times = codes[order], times[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (codes[1:] != codes[:-1]) | (times[1:] != times[:-1])
    of_row = np.empty(len(order), np.int32)
    of_row[order] = np.cumsum(begins, dtype=np.int32) - 1
    return times[begins], codes[begins], of_row
