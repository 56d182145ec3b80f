"""The first pass of the join: which feature row each asked row gets, from keys and times alone.

The asked rows are sorted once, by key and time; each distinct pair is a slot. A feature row belongs to
the first slot of its key whose time is not before the instant from which the row counts. Every slot
remembers the best row seen so far, so rows may come in any order and any number, and memory is bounded by
the asked rows. At the end a slot takes over what an earlier slot of its key has, if that is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import pyarrow as pa

from asgard_pipelines.features.key_index import Codes, KeyIndex
from asgard_pipelines.features.kinds import Ints, instants

_NEVER = np.iinfo(np.int64).min
"""Before all times; what a null created time is taken for."""
_ENDLESS = 2**62
"""No two times lie further apart (microseconds of the years 1 to 9999)."""
_MANY_TIES = 1_000_000


@dataclass(frozen=True)
class Ties:
    """Rows among which only their values can decide: `positions[i]` is one that `slots[i]` may get."""

    slots: Ints
    positions: Ints


class Winners:
    """Fed with feature rows (`see`, from any thread), it tells for each asked row the row it gets.

    Args:
        keys, times: the asked rows', one array per key column; none at all: every row has the same key.
        kinds: the types of the source's key columns.
        ttl: microseconds; None never expires.
        cut: rows created after the asked time do not count.

    Raises:
        TypeMismatch: a key is of another kind on the two sides, or a time is no time.
    """

    def __init__(
        self,
        keys: Sequence[pa.ChunkedArray],
        kinds: Sequence[pa.DataType],
        times: pa.ChunkedArray,
        ttl: int | None,
        *,
        cut: bool,
    ) -> None:
        asked, valid = instants(times)
        self._index = KeyIndex(keys, kinds) if keys else None
        codes = self._index.codes if self._index else np.zeros(len(asked), np.int32)
        valid &= codes >= 0
        self._slot_of = np.full(len(asked), -1, np.int64)
        self._times, groups, self._slot_of[valid] = _slots(codes[valid], asked[valid])
        self._first = np.searchsorted(groups, np.arange(self._index.size + 1 if self._index else 2))
        self._group = groups
        self._ttl, self._cut = None if ttl is None else min(ttl, _ENDLESS), cut
        self._event = np.full(len(self._times), _NEVER)
        self._created = np.full(len(self._times), _NEVER)
        self._position = np.full(len(self._times), -1, np.int64)
        self._ties: list[tuple[Ints, Ints, Ints, Ints]] = []
        self._one_writes = Lock()
        self._longest = int(np.diff(self._first).max(initial=0))
        self._window = (
            (int(self._times.min()) - ttl if ttl is not None else _NEVER, int(self._times.max()))
            if len(self._times)
            else (0, -1)
        )

    def see(
        self, positions: Ints, keys: Sequence[pa.Array], times: pa.Array, created: pa.Array | None
    ) -> None:
        """Feature rows, each with the number by which it will be fetched."""
        event, counts = instants(pa.chunked_array([times]))
        counts &= (event >= self._window[0]) & (event <= self._window[1])
        if not counts.any():
            return
        codes = self._index.find(keys) if self._index else np.zeros(len(event), np.int32)
        counts &= codes >= 0
        rows = np.flatnonzero(counts)
        codes, event = codes[rows], event[rows]
        made = np.full(len(rows), _NEVER)
        if created is not None:
            all_made, present = instants(pa.chunked_array([created]))
            made = np.where(present, all_made, _NEVER)[rows]
        slots = self._slots_for(codes, np.maximum(event, made) if self._cut else event)
        in_time = slots >= 0
        with self._one_writes:
            self._offer(
                slots[in_time], event[in_time], made[in_time], positions[rows[in_time]], created is not None
            )

    def _slots_for(self, codes: Codes, since: Ints) -> Ints:
        """The first slot of the key whose time is not before `since`; -1 for none. By halving."""
        low = self._first.take(codes)
        end = self._first.take(codes + 1)
        if self._longest > 1:
            width = 1 << (self._longest.bit_length() - 1)
            while width:
                probe = low + (width - 1)
                inside = probe < end
                earlier = inside & (self._times.take(probe, mode="clip") < since)
                low = low + earlier * width
                width >>= 1
        fits = (low < end) & (self._times.take(low, mode="clip") >= since)
        return np.where(fits, low, -1)

    def _offer(self, slots: Ints, event: Ints, created: Ints, positions: Ints, with_created: bool) -> None:
        before = self._event.take(slots)
        np.maximum.at(self._event, slots, event)
        best = self._event.take(slots)
        newer = best > before
        # what a slot held until now is out of the race
        self._created[slots[newer]] = _NEVER
        self._position[slots[newer]] = -1
        kept = np.flatnonzero(event == best)
        slots, created, positions, event = slots[kept], created[kept], positions[kept], event[kept]
        if with_created:
            before = self._created.take(slots)
            np.maximum.at(self._created, slots, created)
            best = self._created.take(slots)
            self._position[slots[best > before]] = -1
            kept = np.flatnonzero(created == best)
            slots, created, positions, event = slots[kept], created[kept], positions[kept], event[kept]
        held = self._position.take(slots)
        self._position[slots] = positions
        self._note_ties(slots, event, created, positions, held)

    def _note_ties(self, slots: Ints, event: Ints, created: Ints, positions: Ints, held: Ints) -> None:
        """Rows that want a slot which another row, as good, has or had."""
        equal = (self._position.take(slots) != positions) | (held >= 0)
        if equal.any():
            if sum(len(noted[0]) for noted in self._ties) > _MANY_TIES:
                self._ties = [self._open_ties()]
            among = np.isin(slots, slots[equal])
            self._ties.append((slots[among], event[among], created[among], positions[among]))
            holders = held[equal] >= 0
            self._ties.append(
                (slots[equal][holders], event[equal][holders], created[equal][holders], held[equal][holders])
            )

    def ties(self) -> Ties:
        """The rows that are still as good as each other, in every slot; each once."""
        if not self._ties:
            return Ties(np.empty(0, np.int64), np.empty(0, np.int64))
        slots, _, _, positions = self._open_ties()
        return Ties(slots, positions)

    def _open_ties(self) -> tuple[Ints, Ints, Ints, Ints]:
        slots, event, created, positions = (np.concatenate(part) for part in zip(*self._ties, strict=True))
        still = (self._event.take(slots) == event) & (self._created.take(slots) == created)
        _, once = np.unique(positions[still], return_index=True)  # a row wants one slot only
        return slots[still][once], event[still][once], created[still][once], positions[still][once]

    def settle(self, slots: Ints, positions: Ints) -> None:
        """Of tied rows, the one that each slot gets."""
        self._position[slots] = positions

    def result(self) -> tuple[Ints, Ints]:
        """For each asked row the number of the row it gets, -1 for none; and that row's event time."""
        best = self._best_until()
        index = np.full(len(self._slot_of), -1, np.int64)
        event = np.full(len(self._slot_of), _NEVER)
        asked = np.flatnonzero(self._slot_of >= 0)
        slots = self._slot_of[asked]
        winner = best[slots]
        found = self._position.take(winner) >= 0
        if self._ttl is not None:
            found &= self._times.take(slots) - self._event.take(winner) <= self._ttl
        index[asked[found]] = self._position[winner[found]]
        event[asked[found]] = self._event[winner[found]]
        return index, event

    def _best_until(self) -> Ints:
        """For each slot, the slot of its key up to it whose row is the best."""
        order = np.lexsort((self._created, self._event, self._group))
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        return order[np.maximum.accumulate(rank)] if len(rank) else rank


def _slots(codes: Codes, times: Ints) -> tuple[Ints, Codes, Ints]:
    """The distinct pairs by code and time, as two columns; and for each row which pair it has."""
    order = np.lexsort((times, codes))
    codes, times = codes[order], times[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (codes[1:] != codes[:-1]) | (times[1:] != times[:-1])
    of_row = np.empty(len(order), np.int64)
    of_row[order] = np.cumsum(begins) - 1
    return times[begins], codes[begins], of_row
