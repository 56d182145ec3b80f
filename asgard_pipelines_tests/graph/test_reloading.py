"""Reloads of Dagster's definitions: shared by those who wait, and never older than what one has asked for."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from asgard_pipelines.graph.reloading import Reloading


def test_who_asks_during_a_load_shares_the_next_one() -> None:
    begun: list[float] = []

    def load(_: str) -> str | None:
        begun.append(time.monotonic())
        time.sleep(0.2)
        return None

    reloading = Reloading("", load)

    def ask(delay: float) -> bool:
        time.sleep(delay)
        asked = time.monotonic()
        assert reloading.reload() is None
        return any(at >= asked for at in begun)

    with ThreadPoolExecutor(20) as pool:
        fresh = list(pool.map(ask, [0.0] + [0.05 + n / 1000 for n in range(19)]))
    assert all(fresh)  # what somebody asked for was loaded after they asked
    assert len(begun) == 2


def test_all_who_share_a_load_learn_that_it_failed() -> None:
    holding = threading.Event()

    def load(_: str) -> str | None:
        holding.wait(5)
        raise OSError("nobody answers")

    reloading = Reloading("", load)
    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(reloading.reload) for _ in range(5)]
        holding.set()
        for one in asked:
            with pytest.raises(OSError, match="nobody answers"):
                one.result()
