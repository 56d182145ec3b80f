"""Work on threads, its results in order, never far ahead of who takes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_order(work: Iterable[Callable[[], T]], threads: int) -> Iterator[T]:
    """Calls each of `work` on one of `threads`; at most one more than those is begun or waits to be taken.

    What a call raises is raised here, in its turn; nothing is begun after that.
    """
    with ThreadPoolExecutor(threads) as pool:
        begun: deque[Future[T]] = deque()
        try:
            for call in work:
                begun.append(pool.submit(call))
                if len(begun) > threads:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
