"""Features from the stores that the settings name, read by this process itself."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import orjson

from asgard_pipelines.client.asked import TIME, Asked
from asgard_pipelines.client.online_features import OnlineFeatures

if TYPE_CHECKING:
    import pyarrow as pa

    from asgard_pipelines.declarations import Declarations
    from asgard_pipelines.features import OnlineReads
    from asgard_pipelines.features.online import PreparedRead
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.settings import Settings

_HELD_SECONDS = 1.0
"""What is declared otherwise is seen after that time."""


class InProcess:
    """Safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._held: Declarations | None = None
        self._looked_at = 0.0
        self._prepared: dict[Asked, PreparedRead] = {}

    def feature_views(self) -> list[str]:
        return sorted(view.name for view in self._declarations().all_views)

    def feature_services(self) -> list[str]:
        return sorted(service.name for service in self._declarations().services)

    def service_features(self, name: str) -> list[str]:
        service = self._declarations().service(name)
        return [f"{part.view}:{feature}" for part in service.views for feature in part.features]

    def key_columns(self) -> set[str]:
        return {name for one in self._declarations().entities for name in (one.name, one.join_key)}

    def online(self, asked: Asked, entities: Mapping[str, Sequence[Any]], rows: int) -> OnlineFeatures:
        found = self._read(asked).read(entities)
        features = [orjson.loads(one) for one in found.rows_json()]
        statuses = [orjson.loads(one) for one in found.statuses_json()]
        if not entities:  # without keys all rows are one
            return OnlineFeatures(features * rows, statuses * rows)
        return OnlineFeatures(features, statuses)

    def history(self, asked: Asked, keys: pa.Table) -> pa.Table:
        from asgard_pipelines.features import asked_features, asked_history
        from asgard_pipelines.features.history import typed_keys

        declarations = self._declarations()
        found = asked_features(declarations, asked.features, asked.service, asked.full_names)
        rows = typed_keys(declarations, keys)
        joined = asked_history(self._settings, self._lakehouse, declarations, rows, TIME, found)
        try:
            return joined.table.select([one.name for one in found])
        finally:
            joined.close()

    def close(self) -> None:
        """Stores are this process's, and stay open for whoever else reads them."""

    def _declarations(self) -> Declarations:
        with self._lock:
            held, looked_at = self._held, self._looked_at
        if held is not None and time.monotonic() - looked_at < _HELD_SECONDS:
            return held
        from asgard_pipelines.project import load

        now = time.monotonic()
        declarations = load(self._settings)
        with self._lock:
            if declarations is not self._held:
                self._held, self._prepared = declarations, {}
            self._looked_at = now
        return declarations

    def _read(self, asked: Asked) -> PreparedRead:
        from asgard_pipelines.features import asked_features

        declarations = self._declarations()
        with self._lock:
            prepared = self._prepared
            read = prepared.get(asked)
        if read is None:
            found = asked_features(declarations, asked.features, asked.service, asked.full_names)
            read = self._reads.prepare(declarations, [one.ref for one in found], [one.name for one in found])
            prepared[asked] = read
        return read

    @cached_property
    def _reads(self) -> OnlineReads:
        from asgard_pipelines.features import OnlineReads

        return OnlineReads(self._settings)

    @cached_property
    def _lakehouse(self) -> Lakehouse:
        from asgard_pipelines.lakehouse import Lakehouse

        return Lakehouse(self._settings)
