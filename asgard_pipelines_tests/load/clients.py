"""One client: it keeps a connection, asks one thing after another, and waits when it is told to."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from asgard_pipelines_tests.api.documents import BATCH_PREDICTIONS, CREATE_FEATURE_VIEW, TRAIN_MODEL, altered
from asgard_pipelines_tests.load.report import Report

_ROW = {"total_orders": 15, "total_spent": 83.37, "avg_order_value": 5.2}

_STORE = "/api/v1/features"
_OF_STORE = {
    "online-features": 30,
    "push-features": 15,
    "feature-views": 2,
    "feature-views/customer_features/stats": 1,
}


@dataclass(frozen=True)
class Asking:
    """`light` requests are to keep their latency."""

    name: str
    method: str
    path: str
    body: Any = None
    light: bool = True


def askings(number: int) -> list[tuple[int, Callable[[], Asking]]]:
    """What client `number` asks, each so many times as often as others."""

    def get(path: str, weight: int = 4) -> tuple[int, Callable[[], Asking]]:
        return weight, lambda: Asking(f"GET {path}", "GET", path)

    view = altered(CREATE_FEATURE_VIEW, name=f"view_{number}")
    service = {"name": f"service_{number}", "feature_views": ["customer_features"]}
    model = altered(TRAIN_MODEL, name=f"model_{number % 4}", hyperparameters__params={"n_estimators": 5})
    batch = altered(BATCH_PREDICTIONS, model_id="churn", output_table=f"scores_{number % 4}")

    def post(name: str, path: str, body: Any, *, light: bool = False) -> Asking:
        return Asking(name, "POST", path, body, light)

    return [
        get("/health/live"),
        get("/health/ready", 1),
        get("/metrics", 1),
        get("/openapi.json", 1),
        get("/feast/status"),
        get("/feast/features"),
        get("/feast/features/customer_features"),
        get("/feast/services"),
        get("/feast/models", 1),
        get("/feast/models/churn", 1),
        get("/mlops/status", 1),
        (
            30,
            lambda: post(
                "POST /feast/predictions/online",
                "/feast/predictions/online",
                {"model_id": "churn", "features": _ROW | {"total_orders": random.randrange(20)}},
                light=True,
            ),
        ),
        (
            20,
            lambda: post(
                "POST /mlops/inference",
                "/mlops/inference",
                {"model_name": "churn", "inputs": [_ROW] * random.randrange(1, 50)},
                light=True,
            ),
        ),
        *((weight, partial(_of_store, one)) for one, weight in _OF_STORE.items()),
        (2, lambda: post("POST /feast/features", "/feast/features", view)),
        (2, lambda: post("POST /feast/features/service", "/feast/features/service", service)),
        *(
            [
                (1, lambda: post("POST /feast/models", "/feast/models?wait=false", model)),
                (
                    1,
                    lambda: post(
                        "POST /feast/predictions/batch", "/feast/predictions/batch?wait=false", batch
                    ),
                ),
            ]
            if number < 4
            else []
        ),
    ]


def _of_store(route: str) -> Asking:
    """What is asked of the feature store: keys that are there and keys that are not, pushes of a few rows."""
    path = f"{_STORE}/{route}"
    if route == "online-features":
        keys = [f"C{random.randrange(200):03}" for _ in range(random.randrange(1, 20))]
        body: Any = {
            "features": ["customer_features:total_orders", "session_features:cart_value"],
            "entities": {"customer_id": keys},
        }
    elif route == "push-features":
        rows = [
            {
                "customer_id": f"C{random.randrange(200):03}",
                "event_timestamp": datetime.now(UTC).isoformat(),
                "features": {"cart_value": random.random()},
            }
            for _ in range(random.randrange(1, 5))
        ]
        body = {"push_source_name": "sessions", "features": rows}
    else:
        return Asking(f"GET {path}", "GET", path)
    return Asking(f"POST {path}", "POST", path, body)


class Client(threading.Thread):
    def __init__(self, number: int, address: str, report: Report, stop: threading.Event) -> None:
        super().__init__(name=f"client {number}", daemon=True)
        self._netloc, self._report, self._stop_asking = urlsplit(address).netloc, report, stop
        weights, self._choices = zip(*askings(number), strict=True)
        self._weights = list(weights)
        self._random = random.Random(number)
        self._connection = HTTPConnection(self._netloc, timeout=120)

    def run(self) -> None:
        while not self._stop_asking.is_set():
            (choose,) = self._random.choices(self._choices, self._weights)
            asking = choose()
            if asking.light or self._report.mixed:
                self._ask(asking)

    def _ask(self, asking: Asking) -> None:
        began = time.perf_counter()
        try:
            self._connection.request(
                asking.method, asking.path, None if asking.body is None else json.dumps(asking.body)
            )
            response = self._connection.getresponse()
            text = response.read()
        except (OSError, HTTPException) as error:
            self._report.broke(asking.name, error)
            self._connection = HTTPConnection(self._netloc, timeout=120)
            return
        wait = response.headers.get("Retry-After")
        seconds = time.perf_counter() - began
        self._report.answered(
            asking.name, response.status, seconds, light=asking.light, wait=wait, text=text.decode()
        )
        if response.status in (429, 503) and wait:
            self._stop_asking.wait(float(wait))
