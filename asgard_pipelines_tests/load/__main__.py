"""`make load`: clients that mix all routes of a whole running house, and what became of it.

Ends with 1 where anything was answered but 2xx and honest 429 and 503, where the API's memory grew by more
than 5 % after its warm-up, or where light routes became slower.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import psutil

from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.project import init
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.api.documents import (
    CREATE_FEATURE_VIEW,
    TRAIN_MODEL,
    altered,
    customer_features,
    customers_to_score,
)
from asgard_pipelines_tests.load.clients import Client
from asgard_pipelines_tests.load.report import Report
from asgard_pipelines_tests.serving import House, send, served

_SAMPLE_SECONDS = 5.0

_PUSHED = {
    "name": "session_features",
    "entities": ["customer_id"],
    "schema": [{"name": "customer_id", "dtype": "string"}, {"name": "cart_value", "dtype": "float64"}],
    "source": {"type": "push", "name": "sessions"},
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--minutes", type=float, default=5.0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = _settings(Path(folder))
        _lay(Lakehouse(settings))
        with served(SimpleNamespace(settings=settings)) as house:
            _begin(house)
            report = _run(house, chosen.clients, chosen.minutes * 60)
        print(report.text())
        print(_logged_errors(settings.state_folder / "logs" / "api.log"))
    return 0 if report.good else 1


def _settings(folder: Path) -> Settings:
    init(folder / "shop", empty=True)
    home = folder / "home"
    os.environ |= {
        "ASGARD_REPO": str(folder / "shop"),
        "ASGARD_HOME": str(home),
        "DAGSTER_HOME": str(home / "dagster"),
        "ASGARD_RATE_LIMIT": "100000000/minute",
    }
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    return Settings.read()


def _lay(lakehouse: Lakehouse) -> None:
    lakehouse.append("gold.customer_features", customer_features(), key="features")
    lakehouse.append("gold.customers_to_score", customers_to_score(), key="to score")


def _begin(house: House) -> None:
    """A view that is online, one that is pushed to, and a model by which all clients predict."""
    for path, body in (
        ("/feast/features", altered(CREATE_FEATURE_VIEW, online=True, ttl_seconds=None)),
        ("/api/v1/features/apply", {"feature_view": _PUSHED}),
        ("/feast/models", altered(TRAIN_MODEL, name="churn", hyperparameters__params={"n_estimators": 20})),
    ):
        answer = send(house.api, "POST", path, body)
        assert answer is not None
        assert answer[0] in (200, 201), answer


def _run(house: House, count: int, seconds: float) -> Report:
    report = Report(seconds)
    stop = threading.Event()
    clients = [Client(number, house.api, report, stop) for number in range(count)]
    for client in clients:
        client.start()
    api = _api_process(house)
    while report.elapsed < seconds:
        report.sample(api.memory_info().rss)
        time.sleep(min(_SAMPLE_SECONDS, max(seconds - report.elapsed, 0.1)))
    stop.set()
    for client in clients:
        client.join(60)
    report.sample(api.memory_info().rss)
    return report


def _logged_errors(log: Path) -> str:
    """What the API's log says of requests that failed there: the folder is gone after this."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(line[:4000] for line in lines if '"level":"error"' in line)


def _api_process(house: House) -> psutil.Process:
    for child in house.process.children(recursive=True):
        if any("asgard_pipelines.api.server:application" in part for part in child.cmdline()):
            return child
    raise AssertionError("the API does not run")


if __name__ == "__main__":
    sys.exit(main())
