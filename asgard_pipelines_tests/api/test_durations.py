"""Histograms of our own counting, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from asgard_pipelines.api.durations import Durations, histogram

BOUNDS = (0.001, 0.5, 1, 30)


class _Ours(Collector):
    def __init__(self) -> None:
        self.ended = Durations(BOUNDS)

    def collect(self) -> Iterator[Metric]:
        yield histogram("took_seconds", "How long.", ("what",), [(("this",), self.ended)])


def test_they_tell_what_prometheus_own_client_would() -> None:
    ours, ours_registry, registry = _Ours(), CollectorRegistry(), CollectorRegistry()
    ours_registry.register(ours)
    theirs = Histogram("took_seconds", "How long.", ("what",), buckets=BOUNDS, registry=registry)
    for seconds in (0.0, 0.001, 0.0011, 0.5, 0.7, 1.0, 29.9, 30, 31, 10_000):
        ours.ended.observe(seconds)
        theirs.labels("this").observe(seconds)
    created = b"# HELP took_seconds_created"
    assert generate_latest(ours_registry) == generate_latest(registry).partition(created)[0]
