"""Items made ahead come in order, few at a time, and stop when nobody wants them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from asgard_pipelines.predictions.ahead import ahead


def test_items_come_in_order() -> None:
    assert list(ahead(iter(range(100)))) == list(range(100))
    assert list(ahead(iter([]))) == []


def test_only_two_are_made_before_they_are_asked_for() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for n in range(10):
            made.append(n)
            yield n

    coming = ahead(items())
    assert next(coming) == 0
    time.sleep(0.05)
    assert made == [0, 1, 2]
    coming.close()


def test_the_next_is_made_while_the_caller_works() -> None:
    """Each side waits for what the other does: one after the other would wait for ever."""
    caller, maker = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 0
        yield 1
        maker.set()
        assert caller.wait(10)
        yield 2

    coming = ahead(items())
    assert next(coming) == 0
    assert maker.wait(10)
    caller.set()
    assert list(coming) == [1, 2]


def test_an_error_is_raised_in_its_place_and_nothing_runs_after_it() -> None:
    def items() -> Iterator[int]:
        yield 0
        raise KeyError("one")

    threads = threading.active_count()
    coming = ahead(items())
    assert next(coming) == 0
    with pytest.raises(KeyError, match="one"):
        next(coming)
    assert threading.active_count() == threads


def test_closing_ends_the_thread_and_what_it_reads_from() -> None:
    closed = []

    def items() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    threads = threading.active_count()
    source = items()  # held, as a traceback would hold it
    coming = ahead(ahead(source))
    assert next(coming) == 0
    coming.close()
    assert closed == [True]
    assert threading.active_count() == threads
