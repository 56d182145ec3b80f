"""How often somebody may ask.

Of the library `limits`, whose window in memory this was, each request cost a timer's thread every 10 ms and a
copy of the window's list.
"""

from __future__ import annotations

import time
from collections import deque
from math import ceil

from asgard_pipelines.errors import RateLimited

_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_SLOTS = 60
"""A window moves by such a part of it: who is refused may wait that much longer than need be."""
_MANY = 10_000


class _Window:
    """How many came in each slot of time, the oldest first."""

    __slots__ = ("count", "slots")

    def __init__(self) -> None:
        self.count = 0
        self.slots: deque[list[int]] = deque()

    def forget(self, oldest: int) -> None:
        """What came before that slot."""
        while self.slots and self.slots[0][0] < oldest:
            self.count -= self.slots.popleft()[1]


class RateLimits:
    """A moving window for each principal, in this process's memory; for one thread. `limit` is like
    `600/minute`: in no minute are there more."""

    def __init__(self, limit: str) -> None:
        self._text = limit
        most, unit = limit.split("/")
        self._most, self._slot_seconds = int(most), _SECONDS[unit] / _SLOTS
        self._windows: dict[str, _Window] = {}

    def count(self, who: str) -> None:
        """Raises RateLimited, with the seconds after which there is room again."""
        now = time.monotonic() / self._slot_seconds
        slot = int(now)
        window = self._windows.get(who)
        if window is None:
            window = self._windows[who] = self._new(slot)
        slots = window.slots
        if slots and slots[-1][0] == slot:
            if window.count < self._most:
                slots[-1][1] += 1
                window.count += 1
                return
        else:
            window.forget(slot - _SLOTS)
            if window.count < self._most:
                slots.append([slot, 1])
                window.count += 1
                return
        wait = max(1, ceil((slots[0][0] + _SLOTS + 1 - now) * self._slot_seconds))
        raise RateLimited(
            f"That was more than {self._text}: ask again in {wait} s.",
            limit=self._text,
            retry_after_seconds=wait,
        )

    def _new(self, slot: int) -> _Window:
        if len(self._windows) >= _MANY:  # of callers who have long gone
            for who, window in list(self._windows.items()):
                window.forget(slot - _SLOTS)
                if not window.count:
                    del self._windows[who]
        return _Window()
