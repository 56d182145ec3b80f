"""Health probes: each service that Asgard stands on is asked for something small, and timed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from asgard_pipelines.features.online import online_store
from asgard_pipelines.lakehouse import Lakehouse, probe_catalog, probe_engine, probe_warehouse
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Probe, probe_database, require_feast_registry

_log = logging.getLogger(__name__)


def probe_connectors(settings: Settings, lakehouse: Lakehouse) -> list[Probe]:
    """One probe of each: catalog, warehouse, engine, state, registry, online_store.

    A service that does not answer is what the probe says; why stands in the log of this process.
    """
    asked: dict[str, Callable[[], float | None]] = {
        "catalog": partial(probe_catalog, lakehouse),
        "warehouse": partial(probe_warehouse, lakehouse),
        "engine": partial(probe_engine, lakehouse),
        "state": partial(probe_database, settings),
        "registry": partial(require_feast_registry, settings),
        "online_store": lambda: online_store(settings).ping(),
    }
    return [_probed(connector, ask) for connector, ask in asked.items()]


def _probed(connector: str, ask: Callable[[], float | None]) -> Probe:
    at, began = datetime.now(UTC), time.perf_counter()
    usage, answered = None, True
    try:
        usage = ask()
    except Exception as error:  # whatever a service's client raises, it means that the service does not work
        _log.warning("%s does not answer a probe: %s", connector, error)
        answered = False
    spent = (time.perf_counter() - began) * 1000
    return Probe(at=at, connector=connector, answered=answered, milliseconds=spent, pool_usage=usage)
