"""Entities' newest features: reads of the online store, each put together once for as long as nothing is
declared otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any

import pyarrow as pa

from asgard_pipelines.declarations import Declarations, FeatureRef
from asgard_pipelines.features.kinds import arrow_type
from asgard_pipelines.features.online.answer import FoundStatus, Status
from asgard_pipelines.features.online.opening import online_store
from asgard_pipelines.features.online.prepared import PreparedRead
from asgard_pipelines.settings import Settings

_MOST = 1000
_FOUND: dict[Status, FoundStatus] = {"FOUND": "found", "NOT_FOUND": "missing", "EXPIRED": "expired"}


@dataclass(frozen=True)
class OnlineRows:
    """`rows`: as many as were asked, in their order, a column per reference, in its declared type. `status`:
    for each row, stored view -> whether it has the entity; what is missing or expired is null."""

    rows: pa.Table
    status: list[dict[str, FoundStatus]]


class OnlineReads:
    """Safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._declarations: Declarations | None = None
        self._prepared: dict[tuple[Any, ...], PreparedRead] = {}

    def prepare(
        self, declarations: Declarations, refs: Sequence[FeatureRef], names: Sequence[str] | None = None
    ) -> PreparedRead:
        """The read of these features, called so in the answer (`names`; the features' own when None). The
        same one is given as long as the same declarations are: another object of them prepares all reads
        anew.

        Raises:
            FeatureViewNotFound, ColumnNotFound
            Invalid: a view is not online.
            TypeMismatch: an entity's type is one of which Feast makes no keys.
        """
        key = (tuple((ref.view, ref.feature) for ref in refs), None if names is None else tuple(names))
        with self._lock:
            if self._declarations is not declarations or len(self._prepared) > _MOST:
                self._declarations, self._prepared = declarations, {}
            prepared, known = self._prepared.get(key), self._prepared
        if prepared is None:
            store = online_store(self._settings, declarations.project)
            prepared = PreparedRead(self._settings, store, declarations, refs, names)
            known[key] = prepared
        return prepared

    def read(
        self,
        declarations: Declarations,
        refs: Sequence[FeatureRef],
        entities: Sequence[Mapping[str, Any]],
        as_of: datetime | None = None,
    ) -> OnlineRows:
        """
        Args:
            entities: for each row, entity or join key -> value; those of all views, and no others.
            as_of: now, when None. A value counts from its event time until its view's TTL has passed.

        Raises:
            FeatureViewNotFound, ColumnNotFound
            Invalid: a view is not online; entities that are missing, or that no view has.
            TypeMismatch: a value that is no key of its entity.
        """
        answer = self.prepare(declarations, refs).read_rows(entities, as_of)
        types = {(view.name, one.name): one.dtype for view in declarations.all_views for one in view.features}
        columns = {
            ref.feature: pa.array(column, arrow_type(types[ref.view, ref.feature]))
            for ref, column in zip(refs, answer.columns, strict=True)
        }
        status = [
            {view: _FOUND[statuses[place]] for view, statuses in answer.views.items()}
            for place in range(answer.count)
        ]
        return OnlineRows(pa.table(columns), status)
