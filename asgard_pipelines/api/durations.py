"""How often something happened, and how long it took.

Not as `prometheus_client` counts: that goes to files once anything in the process or its parents has imported
Feast's server (which names a folder for them in the environment), and takes a lock for each of its numbers.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from threading import Lock

from prometheus_client.core import HistogramMetricFamily


class Durations:
    """One series of a histogram. Safe to use from several threads."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = (*bounds, math.inf)
        self._named = [*(str(float(bound)) for bound in bounds), "+Inf"]
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0
        self._lock = Lock()

    def observe(self, seconds: float) -> None:
        place = bisect_left(self._bounds, seconds)  # a bound belongs to what is below it
        with self._lock:
            self._counts[place] += 1
            self._sum += seconds

    def told(self) -> tuple[list[tuple[str, float]], float]:
        """Prometheus's buckets, each with all below it, and the sum."""
        with self._lock:
            counts, total = list(accumulate(self._counts)), self._sum
        return list(zip(self._named, counts, strict=True)), total


def histogram(
    name: str, text: str, labels: Sequence[str], series: Iterable[tuple[Sequence[str], Durations]]
) -> HistogramMetricFamily:
    """`series`: each with the values of `labels`."""
    family = HistogramMetricFamily(name, text, labels=labels)
    for values, durations in series:
        buckets, total = durations.told()
        family.add_metric(values, buckets, total)
    return family
