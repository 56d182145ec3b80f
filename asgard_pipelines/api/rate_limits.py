"""How often somebody may ask."""

from __future__ import annotations

import time
from math import ceil

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from asgard_pipelines.errors import RateLimited


class RateLimits:
    """A moving window for each principal, in this process's memory. `limit` is like `600/minute`."""

    def __init__(self, limit: str) -> None:
        self._text, self._limit = limit, parse(limit)
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    def count(self, who: str) -> None:
        """Raises RateLimited, with the seconds after which there is room again."""
        if self._windows.hit(self._limit, who):
            return
        frees_at = self._windows.get_window_stats(self._limit, who).reset_time
        wait = max(1, ceil(frees_at - time.time()))
        raise RateLimited(
            f"That was more than {self._text}: ask again in {wait} s.",
            limit=self._text,
            retry_after_seconds=wait,
        )
