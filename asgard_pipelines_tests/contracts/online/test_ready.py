"""Rows that are held ready: nobody sees them before they are put, and they are guarded when they are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from multiprocessing import get_context
from random import Random

import pytest

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.features.online import OnlineStore, Written, online_store
from asgard_pipelines.features.online.encoded_rows import EncodedRows, encoded
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.contracts.online.views import MICRO, NOON, SECOND, read, rows, view, visit

VISITS, SEEN = view(), view(created=True)
SIZES = (1, 300)
"""One transaction is not enough for the second in Redis."""


def _many(of: FeatureView, count: int, pages: int, at: datetime | list[datetime]) -> EncodedRows:
    given = {"visitor_id": list(range(count)), "pages": [pages] * count, "city": ["Bonn"] * count}
    return encoded(of, rows(of, at=at, seen=NOON, **given))


def _pages(settings: Settings, store: OnlineStore, of: FeatureView, count: int) -> list[int | None]:
    return [found[0] for found in read(settings, store, of, visitor_id=list(range(count)))]


@pytest.mark.parametrize("of", [VISITS, SEEN])
@pytest.mark.parametrize("size", SIZES)
def test_what_is_ready_is_seen_once_it_is_put_and_never_if_it_is_not(
    settings: Settings, store: OnlineStore, of: FeatureView, size: int
) -> None:
    store.put(of.name, _many(of, size, 1, NOON))
    with store.ready(of.name, _many(of, size, 2, NOON + MICRO)):
        assert _pages(settings, store, of, size) == [1] * size
    assert _pages(settings, store, of, size) == [1] * size
    times = [NOON + (MICRO if key % 3 == 0 else -MICRO) for key in range(size)]
    with store.ready(of.name, _many(of, size, 3, times)) as put:
        assert _pages(settings, store, of, size) == [1] * size
        assert put() == sum(key % 3 == 0 for key in range(size))
    assert _pages(settings, store, of, size) == [3 if key % 3 == 0 else 1 for key in range(size)]


@pytest.mark.parametrize("size", SIZES)
def test_what_was_written_since_they_were_ready_stays_if_it_is_newer(
    settings: Settings, store: OnlineStore, size: int
) -> None:
    newer, older = range(0, size, 7), range(1, size, 7)
    with store.ready(SEEN.name, _many(SEEN, size, 1, NOON)) as put:
        for key in newer:
            assert store.write(SEEN, visit(SEEN, 2, NOON, NOON + MICRO, key)) == Written(1, 0)
        for key in older:
            assert store.write(SEEN, visit(SEEN, 3, NOON, NOON - MICRO, key)) == Written(1, 0)
        assert put() == size - len(newer)
    assert _pages(settings, store, SEEN, size) == [2 if key in newer else 1 for key in range(size)]


def test_a_write_to_another_view_of_the_same_keys_is_in_nobodys_way(
    settings: Settings, store: OnlineStore
) -> None:
    other = view("others")
    store.put(VISITS.name, _many(VISITS, 300, 1, NOON))
    with store.ready(VISITS.name, _many(VISITS, 300, 2, NOON + SECOND)) as put:
        store.put(other.name, _many(other, 200, 3, NOON))
        assert put() == 300
    assert _pages(settings, store, VISITS, 300) == [2] * 300
    assert _pages(settings, store, other, 200) == [3] * 200


def _write_all(url: str, home: str, project: str, seed: int) -> None:
    """Twelve times two hundred keys, each at the next instant, in an order of its own."""
    store = online_store(Settings(home=home, online_store=url), project)
    ticks = list(range(12))
    Random(seed).shuffle(ticks)
    for tick in ticks:
        with store.ready(VISITS.name, _many(VISITS, 200, tick, NOON + timedelta(microseconds=tick))) as put:
            put()


def test_ten_writers_in_any_order_end_in_the_newest(
    settings: Settings, store: OnlineStore, project: str
) -> None:
    given = [(settings.online_store_url, str(settings.home), project, seed) for seed in range(10)]
    store.make(VISITS.name)
    with get_context("spawn").Pool(2) as processes, ThreadPoolExecutor(6) as threads:
        others = processes.starmap_async(_write_all, given[6:])
        list(threads.map(lambda one: _write_all(*one), given[:6]))
        others.get()
    assert _pages(settings, store, VISITS, 200) == [11] * 200
