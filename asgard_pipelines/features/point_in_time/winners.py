"""The first pass of the join: which feature row each asked row gets, from keys and times alone.

A feature row belongs to the first slot (`slots.py`) of its key whose time is not before the instant from
which the row counts. Every slot remembers the best row seen so far, so rows may come in any order and any
number, and memory is bounded by the asked rows. At the end a slot takes over what an earlier slot of its
key has, if that is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import pyarrow as pa

from asgard_pipelines.features.kinds import Bools, Ints, instants
from asgard_pipelines.features.point_in_time.key_index import Codes
from asgard_pipelines.features.point_in_time.orders import ascending
from asgard_pipelines.features.point_in_time.slots import Slots

_NEVER = np.iinfo(np.int64).min
"""Before all times; what a null created time is taken for."""
_ENDLESS = 2**62
"""No two times lie further apart (microseconds of the years 1 to 9999)."""
_MANY_TIES = 1_000_000
_PART = 500_000
"""Slots or asked rows that are looked at together."""


@dataclass(frozen=True)
class Ties:
    """Rows among which only their values can decide: `positions[i]` is one that `slots[i]` may get."""

    slots: Ints
    positions: Ints


@dataclass(frozen=True)
class Won:
    """The rows that are wanted, and who wants them."""

    positions: Ints | Codes
    """Ascending, each once."""
    newest: int | None
    """The greatest of their event times."""
    places: Codes
    """For each asked row, which of `positions` it gets; -1 for none."""


class Winners:
    """Fed with feature rows (`see`, from any thread), it tells for each asked row the row it gets.

    Args:
        ttl: microseconds; None never expires.
        cut: rows created after the asked time do not count.
    """

    def __init__(self, slots: Slots, ttl: int | None, *, cut: bool) -> None:
        self._slots, self._cut = slots, cut
        self._ttl = None if ttl is None else min(ttl, _ENDLESS)
        self._oldest = _NEVER if self._ttl is None else slots.first - self._ttl
        self._event = np.full(len(slots), _NEVER)
        self._created = np.full(len(slots), _NEVER)
        self._position = np.full(len(slots), -1, np.int64)
        self._ties: list[tuple[Ints, Ints, Ints, Ints]] = []
        # Of each key, two instants: a row whose event time lies between them has lost. At first that is all
        # after the last slot; then what lies before the row that a slot has, back to the slot before: however
        # late such a row was created, it can belong to that slot or to a later one only.
        self._lost_after = slots.last_times()
        self._lost_before = np.full(slots.of_keys, np.iinfo(np.int64).max)
        self._one_writes = Lock()

    def see(
        self, positions: Ints, keys: Sequence[pa.Array], times: pa.Array, created: pa.Array | None
    ) -> None:
        """Feature rows, each with the number by which it will be fetched."""
        event, counts = instants(pa.chunked_array([times]))
        counts &= (event >= self._oldest) & (event <= self._slots.last)
        if not counts.any():
            return
        codes = self._slots.codes(keys, len(event))
        counts &= codes >= 0
        counts &= self._may_win(codes, event)
        rows = np.flatnonzero(counts)
        codes, event = codes.take(rows), event.take(rows)
        made = _made(created, rows) if self._cut else None
        slots = self._slots.at_or_after(codes, event if made is None else np.maximum(event, made))
        # A slot's event time only grows, so what loses now, whoever writes at the time, has lost.
        kept = np.flatnonzero((slots >= 0) & (event >= self._event.take(slots, mode="wrap")))
        rows, slots, event = rows.take(kept), slots.take(kept), event.take(kept)
        codes = codes.take(kept).astype(np.int64)  # numpy writes to places by int64 twice as fast
        made = _made(created, rows) if made is None else made.take(kept)
        since = self._slots.times_before(slots)
        with self._one_writes:
            self._offer(slots, event, made, positions.take(rows), created is not None)
            self._lost_after[codes] = since
            self._lost_before[codes] = self._event.take(slots)

    def _may_win(self, codes: Codes, event: Ints) -> Bools:
        with self._one_writes:  # both instants of one moment
            after = self._lost_after.take(codes, mode="wrap")
            before = self._lost_before.take(codes, mode="wrap")
        result: Bools = (event <= after) | (event >= before)
        return result

    def _offer(self, slots: Ints, event: Ints, created: Ints, positions: Ints, with_created: bool) -> None:
        before = self._event.take(slots)
        np.maximum.at(self._event, slots, event)
        best = self._event.take(slots)
        newer = best > before
        # what a slot held until now is out of the race
        self._created[slots[newer]] = _NEVER
        self._position[slots[newer]] = -1
        kept = np.flatnonzero(event == best)
        slots, created = slots.take(kept), created.take(kept)
        positions, event = positions.take(kept), event.take(kept)
        if with_created:
            before = self._created.take(slots)
            np.maximum.at(self._created, slots, created)
            best = self._created.take(slots)
            self._position[slots[best > before]] = -1
            kept = np.flatnonzero(created == best)
            slots, created = slots.take(kept), created.take(kept)
            positions, event = positions.take(kept), event.take(kept)
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

    def result(self) -> Won:
        """Once, at the end. Part by part, and without what is not needed any more: here the join needs the
        most memory."""
        winner, wanted = self._winner(self._best_until())
        newest = int(self._event.max(where=wanted, initial=_NEVER)) if wanted.any() else None
        self._event = self._created = np.empty(0, np.int64)
        rows = np.flatnonzero(wanted).astype(np.int32)
        positions, order = ascending(self._position.take(rows))
        place = np.full(len(self._slots) + 1, -1, np.int32)  # the last one is for asked rows that get none
        place[rows[order]] = np.arange(len(rows), dtype=np.int32)
        if not len(positions) or positions[-1] < np.iinfo(np.int32).max:
            positions = positions.astype(np.int32)  # kept until the last row is read
        return Won(positions, newest, place.take(winner, mode="wrap"))

    def _winner(self, best: Codes) -> tuple[Codes, Bools]:
        """For each asked row, the slot whose row it gets, -1 for none; and which slots those are."""
        slots = self._slots.of_row
        winner = np.full(len(slots), -1, np.int32)
        wanted = np.zeros(len(self._slots), dtype=bool)
        for low in range(0, len(slots), _PART):
            asked = np.flatnonzero(slots[low : low + _PART] >= 0) + low
            own = slots.take(asked)
            held = best.take(own)
            found = self._position.take(held) >= 0
            if self._ttl is not None:
                found &= self._slots.times.take(own) - self._event.take(held) <= self._ttl
            winner[asked[found]] = held[found]
            wanted[held[found]] = True
        return winner, wanted

    def _best_until(self) -> Codes:
        """For each slot, the slot of its key up to it whose row is the best. By doubling."""
        best = np.arange(len(self._slots), dtype=np.int32)
        if not self._cut:
            return self._last_held(best)
        reach = 1
        while reach < self._slots.longest:
            for high in range(len(best), reach, -_PART):  # downwards: what a part reads is of the last round
                self._reach_back(best, max(high - _PART, reach), high, reach)
            reach *= 2
        return best

    def _last_held(self, slots: Codes) -> Codes:
        """The same where each slot has rows of its own times only: any later slot's are better."""
        last = np.maximum.accumulate(np.where(self._position >= 0, slots, np.int32(0)))
        last = np.where(self._slots.keys.take(last) == self._slots.keys, last, slots)
        return last

    def _reach_back(self, best: Codes, low: int, high: int, reach: int) -> None:
        same_key = self._slots.keys[low:high] == self._slots.keys[low - reach : high - reach]
        later = np.flatnonzero(same_key) + low
        own, earlier = best[later], best[later - reach]
        event, before = self._event[own], self._event[earlier]
        better = (before > event) | ((before == event) & (self._created[earlier] > self._created[own]))
        best[later[better]] = earlier[better]


def _made(created: pa.Array | None, rows: Ints) -> Ints:
    """The created times of some rows; before all others where there is none."""
    if created is None:
        return np.full(len(rows), _NEVER)
    times, present = instants(pa.chunked_array([created]))
    return np.where(present, times, _NEVER)[rows]
