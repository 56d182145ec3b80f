"""Stages that overlap: a thread makes the next items while the caller works on those before."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")
_DEPTH = 2
_END = object()


def ahead(items: Iterator[_T]) -> Generator[_T]:
    """The same items in the same order, two of them made ahead in a thread of their own.

    What `items` raises is raised here, in its place. Once the generator is closed nothing runs any
    more, and `items` is closed too.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    try:
        coming = deque(thread.submit(next, items, _END) for _ in range(_DEPTH))
        while (item := coming.popleft().result()) is not _END:
            coming.append(thread.submit(next, items, _END))
            yield item  # type: ignore[misc]  # it is not _END
    finally:
        thread.shutdown(cancel_futures=True)
        if isinstance(items, Generator):
            items.close()
