"""A moving window: never more than the limit in any window, and room again when it has moved on."""

from __future__ import annotations

import pytest

from asgard_pipelines.api import rate_limits
from asgard_pipelines.api.rate_limits import RateLimits
from asgard_pipelines.errors import RateLimited


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(rate_limits, "time", made)
    return made


def _let_in(limits: RateLimits, who: str = "a") -> bool:
    try:
        limits.count(who)
        return True
    except RateLimited:
        return False


def test_in_no_window_are_there_more_and_who_waits_as_told_gets_in(clock: Clock) -> None:
    limits, taken = RateLimits("10/minute"), []
    for _ in range(3_000):
        clock.now += 0.37
        if _let_in(limits):
            taken.append(clock.now)
    for first, last in zip(taken, taken[10:], strict=False):
        assert last - first >= 60
    assert len(taken) >= 3_000 * 0.37 / 61 * 10 * 0.9
    while _let_in(limits):
        pass
    with pytest.raises(RateLimited) as refused:
        limits.count("a")
    clock.now += refused.value.details["retry_after_seconds"]
    assert _let_in(limits)


def test_each_has_its_own_and_who_is_gone_is_forgotten(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "_MANY", 5)
    limits = RateLimits("1/second")
    assert [_let_in(limits, who) for who in "abcdea"] == [True] * 5 + [False]
    clock.now += 2
    assert _let_in(limits, "f")
    assert len(limits._windows) == 1
