"""What Prometheus reads at `/metrics`."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from asgard_pipelines.settings import Settings
from asgard_pipelines.state import last_materialized

_RETRIEVAL_SECONDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class RequestMetrics:
    """Requests by method, route (its template: no caller can make new series) and status, how long features
    took to get, and the process."""

    def __init__(self, settings: Settings) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(_Materialized(settings))
        labels = ("method", "route", "status")
        self._count = Counter("asgard_requests", "Requests answered.", labels, registry=self.registry)
        self._seconds = Histogram(
            "asgard_request_duration_seconds",
            "From the first byte in to the last one out.",
            labels[:2],
            registry=self.registry,
        )
        self._retrieval = Histogram(
            "feast_feature_retrieval_duration_seconds",
            "What it took to get features, from the online store or as of each row's time.",
            ("store",),
            buckets=_RETRIEVAL_SECONDS,
            registry=self.registry,
        )
        self.online, self.offline = self._retrieval.labels("online"), self._retrieval.labels("offline")
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        series = self._series.get((method, route, status))
        if series is None:  # looked up once: that is dearer than counting
            series = self._count.labels(method, route, str(status)), self._seconds.labels(method, route)
            self._series[method, route, status] = series
        series[0].inc()
        series[1].observe(seconds)

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
