"""Reading back what was set up, online and as of now, for the customer that tests ask for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from asgard_pipelines.cli.features.synthetic import TEST_CUSTOMER

if TYPE_CHECKING:
    from asgard_pipelines.declarations import Declarations, FeatureService, FeatureView
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.settings import Settings


class Verified(NamedTuple):
    """Of one service, for one customer: how many of its features were found online, and in the tables as of
    now. `differing` are those whose two values are not the same."""

    feature_service: str
    customer_id: str
    features: int
    found: int
    history: int
    online_ms: float
    differing: list[str]

    @property
    def complete(self) -> bool:
        return self.found == self.history == self.features and not self.differing


def verify(
    settings: Settings, lakehouse: Lakehouse, declarations: Declarations, views: Sequence[FeatureView]
) -> list[Verified]:
    """Reads each service that stands on these views alone."""
    return [_verified(settings, lakehouse, declarations, one) for one in _services(declarations, views)]


def _services(declarations: Declarations, views: Sequence[FeatureView]) -> Iterator[FeatureService]:
    names = {view.name for view in views}
    known = names | {one.name for one in declarations.on_demand_views if set(one.sources) <= names}
    for service in declarations.services:
        if {part.view for part in service.views} <= known:
            yield service


def _verified(
    settings: Settings, lakehouse: Lakehouse, declarations: Declarations, service: FeatureService
) -> Verified:
    from asgard_pipelines.features import OnlineReads, asked_features, asked_history

    asked = asked_features(declarations, None, service.name, False)
    read = OnlineReads(settings).prepare(
        declarations, [one.ref for one in asked], [one.name for one in asked]
    )
    began = time.perf_counter()
    online = read.read({"customer_id": [TEST_CUSTOMER]})
    milliseconds = (time.perf_counter() - began) * 1000
    now = pa.array([datetime.now(UTC)], pa.timestamp("us", "UTC"))
    rows = pa.table({"customer_id": [TEST_CUSTOMER], "event_timestamp": now})
    joined = asked_history(settings, lakehouse, declarations, rows, "event_timestamp", asked)
    try:
        history = {one.name: joined.table[one.name][0].as_py() for one in asked}
    finally:
        joined.close()
    values = {name: column[0] for name, column in zip(online.names, online.columns, strict=True)}
    return Verified(
        service.name,
        TEST_CUSTOMER,
        len(asked),
        sum(column[0] == "FOUND" for column in online.statuses),
        sum(value is not None for value in history.values()),
        milliseconds,
        sorted(name for name, value in values.items() if value != history[name]),
    )
