"""What Prometheus reads at `/metrics`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from asgard_pipelines.api.durations import Durations, histogram
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import last_materialized

_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_RETRIEVAL_SECONDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class RequestMetrics(Collector):
    """Requests by method, route (its template: no caller can make new series) and status, how long features
    took to get, and the process."""

    def __init__(self, settings: Settings) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(_Materialized(settings))
        self.registry.register(self)
        self.online, self.offline = Durations(_RETRIEVAL_SECONDS), Durations(_RETRIEVAL_SECONDS)
        self._answered: Counter[tuple[str, str, int]] = Counter()
        self._took: dict[tuple[str, str], Durations] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """By one thread, that of the event loop."""
        self._answered[method, route, status] += 1
        took = self._took.get((method, route))
        if took is None:
            took = self._took[method, route] = Durations(_REQUEST_SECONDS)
        took.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        labels = ("method", "route", "status")
        answered = CounterMetricFamily("asgard_requests", "Requests answered.", labels=labels)
        for (method, route, status), count in list(self._answered.items()):
            answered.add_metric((method, route, str(status)), count)
        yield answered
        yield histogram(
            "asgard_request_duration_seconds",
            "From the first byte in to the last one out.",
            labels[:2],
            list(self._took.items()),
        )
        yield histogram(
            "feast_feature_retrieval_duration_seconds",
            "What it took to get features, from the online store or as of each row's time.",
            ("store",),
            [(("online",), self.online), (("offline",), self.offline)],
        )

    def text(self) -> bytes:
        return generate_latest(self.registry)


class _Materialized(Collector):
    """Read from the ledger when Prometheus asks: the runs are other processes'."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield self._family()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = self._family()
        for view, at in last_materialized(self._settings).items():
            family.add_metric([view], at.timestamp())
        yield family

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "feast_materialization_last_success_timestamp",
            "When a view's last successful materialization ended, in seconds since 1970.",
            labels=["feature_view"],
        )
