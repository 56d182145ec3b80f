"""Entities' newest features, from the online store through Feast, with the TTL that Feast leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Literal

import pyarrow as pa
from feast import FeatureStore

from asgard_pipelines.declarations import (
    Declarations,
    Feature,
    FeatureRef,
    FeatureView,
    OnDemandView,
    fingerprint,
)
from asgard_pipelines.errors import ColumnNotFound, Invalid, TypeMismatch
from asgard_pipelines.features.kinds import arrow_type
from asgard_pipelines.features.registry import store
from asgard_pipelines.settings import Settings

FoundStatus = Literal["found", "missing", "expired"]


@dataclass(frozen=True)
class OnlineRows:
    """`rows`: as many as were asked, in their order, a column per reference, in its declared type. `status`:
    for each row, stored view -> whether it has the entity; what is missing or expired is null."""

    rows: pa.Table
    status: list[dict[str, FoundStatus]]


class OnlineReads:
    """Holds Feast's store open, and opens it anew when a view is declared otherwise. Safe to use from
    several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._store: FeatureStore | None = None
        self._known: dict[str, str] = {}

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
        computed = [view for view in declarations.on_demand_views if view.name in {ref.view for ref in refs}]
        names = {ref.view for ref in refs} - {view.name for view in computed}
        names |= {source for view in computed for source in view.sources}
        views = [declarations.view(name) for name in sorted(names)]
        keys = [_keys(declarations, views, row) for row in entities]
        instant = as_of or datetime.now(UTC)
        columns: dict[tuple[str, str], pa.ChunkedArray] = {}
        found: dict[str, list[FoundStatus]] = {}
        for view in views:
            values, found[view.name] = self._newest(view, keys, instant)
            columns |= {(view.name, name): column for name, column in values.items()}
        if computed:
            columns |= _computed(self._settings, declarations, computed, columns, len(keys))
        for ref in refs:
            if (ref.view, ref.feature) not in columns:
                raise ColumnNotFound(ref.feature, [f for v, f in columns if v == ref.view], table=ref.view)
        status = [{name: found[name][place] for name in found} for place in range(len(keys))]
        return OnlineRows(pa.table({ref.feature: columns[ref.view, ref.feature] for ref in refs}), status)

    def _newest(
        self, view: FeatureView, keys: Sequence[Mapping[str, Any]], instant: datetime
    ) -> tuple[dict[str, pa.ChunkedArray], list[FoundStatus]]:
        answer = self._opened(view).get_online_features(
            features=[f"{view.name}:{name}" for name in view.feature_names],
            entity_rows=[{key: row[key] for key in view.join_keys} for row in keys],
            full_feature_names=True,
        )
        written = answer.to_dict()
        times = [
            one.event_timestamps
            for name, one in zip(answer.proto.metadata.feature_names.val, answer.proto.results, strict=True)
            if name not in view.join_keys
        ]
        status = [
            _status(view, max(at.ToDatetime(UTC) for at in row), instant) for row in zip(*times, strict=True)
        ]
        return {
            feature.name: _column(written[f"{view.name}__{feature.name}"], feature, status)
            for feature in view.features
        }, status

    def _opened(self, view: FeatureView) -> FeatureStore:
        """Raises Invalid: the view is not served online."""
        if not view.online:
            raise Invalid(
                f"Feature view '{view.name}' is not online: declare it `online`, or send `features`.",
                feature_view=view.name,
            )
        declared = fingerprint(view)
        with self._lock:
            if self._store is None or self._known.get(view.name, declared) != declared:
                self._store, self._known = store(self._settings), {}
            self._known[view.name] = declared
            return self._store


def _keys(
    declarations: Declarations, views: Sequence[FeatureView], entities: Mapping[str, Any]
) -> dict[str, Any]:
    """Join key -> value, for every join key of the views."""
    kinds = {entity.join_key: entity for entity in declarations.entities}
    keys = {entity.name: entity.join_key for entity in declarations.entities}
    given = {name if name in kinds else keys.get(name, name): value for name, value in entities.items()}
    wanted = {key for view in views for key in view.join_keys}
    missing, extra = sorted(wanted - given.keys()), sorted(given.keys() - wanted)
    if missing or extra:
        told = [f"missing: {', '.join(missing)}"] if missing else []
        told += [f"unknown: {', '.join(extra)}"] if extra else []
        raise Invalid(
            f"`entities` are not those of the features ({'; '.join(told)}).", missing=missing, extra=extra
        )
    return {key: _key(key, given[key], kinds[key].dtype) for key in sorted(wanted)}


def _key(name: str, value: Any, dtype: str) -> Any:
    """Raises TypeMismatch."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if dtype == "string" and (isinstance(value, str) or whole):
        return str(value)
    if dtype in ("int32", "int64"):
        try:
            number = int(value) if whole or isinstance(value, str) else None
        except ValueError:
            number = None
        bits = 31 if dtype == "int32" else 63
        if number is not None and -(2**bits) <= number < 2**bits:
            return number
    if type(value) is {"bool": bool, "float64": float, "float32": float}.get(dtype):
        return value
    raise TypeMismatch(f"Entity '{name}' is {dtype}, and {value!r} is none.", entity=name, declared=dtype)


def _status(view: FeatureView, at: datetime, instant: datetime) -> FoundStatus:
    if at == datetime.fromtimestamp(0, UTC) or at > instant:  # Feast gives 1970 for what it does not have
        return "missing"
    return "expired" if view.ttl is not None and at < instant - view.ttl else "found"


def _column(values: Sequence[Any], feature: Feature, status: Sequence[FoundStatus]) -> pa.ChunkedArray:
    taken = [_plain(v) if found == "found" else None for v, found in zip(values, status, strict=True)]
    return pa.chunked_array([pa.array(taken, arrow_type(feature.dtype))])


def _plain(value: Any) -> Any:
    """A time as UTC without a zone."""
    zoned = isinstance(value, datetime) and value.tzinfo is not None
    return value.astimezone(UTC).replace(tzinfo=None) if zoned else value


def _computed(
    settings: Settings,
    declarations: Declarations,
    views: Sequence[OnDemandView],
    columns: Mapping[tuple[str, str], pa.ChunkedArray],
    rows: int,
) -> dict[tuple[str, str], pa.ChunkedArray]:
    from asgard_pipelines.features.on_demand import OnDemandFunctions

    return OnDemandFunctions(settings, declarations, views).compute(columns, rows)
