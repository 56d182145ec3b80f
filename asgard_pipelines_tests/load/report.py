"""What became of the load: statuses, latencies, memory."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from statistics import median

_WARM_UP, _LIGHT_UNTIL = 0.05, 0.2
"""Of the time: at first latencies do not count, then they are those of light requests among themselves; from
then on all are mixed, and memory counts from twice as late."""
_GROWTH = 0.05
_SLOWER = 2.0


@dataclass
class Report:
    """Safe to use from several threads. `seconds` is how long it will take."""

    seconds: float
    began: float = field(default_factory=time.monotonic)
    _statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    _latencies: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    _wrong: list[str] = field(default_factory=list)
    _memory: list[tuple[float, int]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def answered(
        self, name: str, status: int, seconds: float, *, light: bool, wait: str | None, text: str
    ) -> None:
        with self._lock:
            self._statuses[name][status] += 1
            if light and status == 200:
                self._latencies[name].append((self.elapsed - seconds, seconds))
            honest = 200 <= status < 300 or (status in (429, 503) and wait)
            if not honest:
                self._wrong.append(f"{name}: {status} {text[:300]}")

    def broke(self, name: str, error: Exception) -> None:
        with self._lock:
            self._statuses[name][0] += 1
            self._wrong.append(f"{name}: {type(error).__name__} {error}")

    def sample(self, rss: int) -> None:
        with self._lock:
            self._memory.append((self.elapsed, rss))

    @property
    def growth(self) -> float:
        """Of the memory: the median of the last fifth to that of the second fifth of the mixture."""
        return self._mean_memory(0.8, 1.1) / self._mean_memory(2 * _LIGHT_UNTIL, 3 * _LIGHT_UNTIL) - 1

    @property
    def mixed(self) -> bool:
        """Whether heavy requests are sent too."""
        return self.elapsed >= _LIGHT_UNTIL * self.seconds

    @property
    def slower(self) -> dict[str, float]:
        """Light routes whose median doubled once heavy ones came: by how much."""
        found = {}
        for name in self._latencies:
            first, last = self._of(name, _WARM_UP, _LIGHT_UNTIL), self._of(name, _LIGHT_UNTIL, 1.1)
            if len(first) > 20 and len(last) > 20 and median(last) > _SLOWER * median(first):
                found[name] = median(last) / median(first)
        return found

    @property
    def good(self) -> bool:
        return not self._wrong and self.growth <= _GROWTH and not self.slower

    def text(self) -> str:
        total = sum(sum(counted.values()) for counted in self._statuses.values())
        lines = [f"{total} requests in {self.elapsed:.0f} s", ""]
        for name in sorted(self._statuses):
            told = ", ".join(f"{status}: {count}" for status, count in sorted(self._statuses[name].items()))
            lines.append(f"{name:36} {told:30} {self._told(name)}")
        lines += ["", "the API's memory, MB: " + self._told_memory(), f"grown by {self.growth:.1%}"]
        lines += [f"slower: {name} {factor:.1f}×" for name, factor in self.slower.items()]
        lines += [f"wrong: {one}" for one in self._wrong[:20]]
        return "\n".join(lines)

    def _told(self, name: str) -> str:
        found = sorted(self._of(name, _LIGHT_UNTIL, 1.1))
        alone = self._of(name, _WARM_UP, _LIGHT_UNTIL)
        if not found or not alone:
            return ""
        last = found[int(len(found) * 0.99)]
        return (
            f"alone p50 {median(alone) * 1000:6.1f} ms; mixed p50 {median(found) * 1000:6.1f} ms, "
            f"p99 {last * 1000:7.1f} ms"
        )

    def _told_memory(self) -> str:
        step = max(1, len(self._memory) // 10)
        return " ".join(f"{rss / 1e6:.0f}" for _, rss in self._memory[::step])

    def _of(self, name: str, start: float, end: float) -> list[float]:
        inside = (self.seconds * start, self.seconds * end)
        return [seconds for at, seconds in self._latencies[name] if inside[0] <= at < inside[1]]

    def _mean_memory(self, start: float, end: float) -> float:
        found = [rss for at, rss in self._memory if self.seconds * start <= at < self.seconds * end]
        return median(found or [rss for _, rss in self._memory])
