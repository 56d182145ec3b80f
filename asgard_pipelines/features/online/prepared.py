"""A read of the online store, put together once: what is asked of which view, how keys and values are
read."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from asgard_pipelines.declarations import Declarations, FeatureRef, FeatureView
from asgard_pipelines.errors import ColumnNotFound, Invalid, TypeMismatch
from asgard_pipelines.features.kinds import arrow_type
from asgard_pipelines.features.online.answer import AHEAD, OnlineAnswer, Status
from asgard_pipelines.features.online.entity_values import EntityColumns
from asgard_pipelines.features.online.keys import key_encoder
from asgard_pipelines.features.online.store import OnlineStore, StoredRow, ViewRead
from asgard_pipelines.features.online.value_reading import ValueReader
from asgard_pipelines.settings import Settings

if TYPE_CHECKING:
    from asgard_pipelines.features.on_demand import OnDemandFunctions

_ValueColumns = tuple[list[Any], list[Status], list[int | None]]
_ViewValues = tuple[list[list[Any]], list[Status], list[int | None]]
_FOREVER = 2**62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WORST: dict[Status, int] = {"FOUND": 0, "EXPIRED": 1, "NOT_FOUND": 2}


class _ViewPart:
    """What is read of one view, and how its rows are understood."""

    def __init__(self, view: FeatureView, features: Sequence[str]) -> None:
        if not view.online:
            raise Invalid(
                f"Feature view '{view.name}' is not online: declare it `online`, or send `features`.",
                feature_view=view.name,
            )
        self.name = view.name
        self.features = tuple(features)
        self.dtypes = [one.dtype for name in features for one in view.features if one.name == name]
        self._values = ValueReader(self.dtypes)
        self._ttl = _FOREVER if view.ttl is None else view.ttl // timedelta(microseconds=1)

    def understood(self, rows: Sequence[StoredRow | None], now: int, latest: int) -> _ViewValues:
        """A column for each feature, and of each row its status and its event time, which counts up to
        `latest`."""
        oldest = now - self._ttl
        statuses: list[Status] = []
        times: list[int | None] = []
        values: list[bytes | None] = []
        for row in rows:
            if row is None or row[0] > latest:
                statuses.append("NOT_FOUND")
                times.append(None)
            elif row[0] < oldest:
                statuses.append("EXPIRED")
                times.append(row[0])
            else:
                statuses.append("FOUND")
                times.append(row[0])
                values += row[1]
        if not values:
            return [[None] * len(rows) for _ in self.features], statuses, times
        columns = self._values.columns(values)
        if len(values) < len(rows) * len(self.features):
            places = [place for place, status in enumerate(statuses) if status == "FOUND"]
            columns = [_spread(column, places, len(rows)) for column in columns]
        return columns, statuses, times


class PreparedRead:
    """Safe to use from several threads. `names`: what each reference is called in answers.

    Raises:
        FeatureViewNotFound, ColumnNotFound
        Invalid: a view is not online.
        TypeMismatch: an entity's type is one of which Feast makes no keys.
    """

    def __init__(
        self,
        settings: Settings,
        store: OnlineStore,
        declarations: Declarations,
        refs: Sequence[FeatureRef],
        names: Sequence[str] | None = None,
    ) -> None:
        self.refs = tuple(refs)
        self.names = tuple(names) if names is not None else tuple(ref.feature for ref in refs)
        wanted = {ref.view for ref in refs}
        self._computed = [view for view in declarations.on_demand_views if view.name in wanted]
        sources = {name for view in self._computed for name in view.sources}
        stored = sorted((wanted - {view.name for view in self._computed}) | sources)
        views = [declarations.view(name) for name in stored]
        self._require(views, refs)
        self._parts = [
            _ViewPart(
                view, [f for f in view.feature_names if view.name in sources or _asked(refs, view.name, f)]
            )
            for view in views
        ]
        dtypes = {entity.join_key: entity.dtype for entity in declarations.entities}
        key_sets = list(dict.fromkeys(tuple(sorted(view.join_keys)) for view in views))
        self._encoders = [(names, key_encoder({name: dtypes[name] for name in names})) for names in key_sets]
        self.entities = EntityColumns(declarations, sorted({key for names in key_sets for key in names}))
        self._reader = store.reader(
            [
                ViewRead(part.name, part.features, key_sets.index(tuple(sorted(view.join_keys))))
                for part, view in zip(self._parts, views, strict=True)
            ]
        )
        self.at_once = self._reader.at_once
        at = {
            (part.name, f): (n, m) for n, part in enumerate(self._parts) for m, f in enumerate(part.features)
        }
        self._places = [at.get((ref.view, ref.feature)) for ref in refs]
        self._as_stored = self._places == [(0, place) for place in range(len(self._parts[0].features))]
        self._functions: OnDemandFunctions | None = None
        if self._computed:
            from asgard_pipelines.features.on_demand import OnDemandFunctions  # imports Feast

            self._functions = OnDemandFunctions(settings, declarations, self._computed)
        self._status_json: dict[tuple[Status, ...], bytes] = {}

    def read(self, entities: Mapping[str, Sequence[Any]], as_of: datetime | None = None) -> OnlineAnswer:
        """
        Args:
            entities: entity or join key -> values, columns of one length; those of all views, and no others.
                Views without keys alone give one row.
            as_of: a naive time is UTC. A value counts from its event time until its view's TTL has passed, as
                in the offline join. When None, now, and a value counts that is no further ahead than the
                clock of who pushed it may go: what was pushed is read at once.

        Raises:
            Invalid: entities that are missing, or that no view has.
            TypeMismatch: a value that is no key of its entity.
            BackendUnavailable
        """
        return self.of_keys(self.entities.take(entities), as_of)

    def read_rows(self, entities: Sequence[Mapping[str, Any]], as_of: datetime | None = None) -> OnlineAnswer:
        """The same of rows."""
        keys = self.entities.of_rows(entities)
        return self.of_keys(keys, as_of, None if keys else len(entities))

    def of_keys(
        self, keys: Mapping[str, list[Any]], as_of: datetime | None = None, rows: int | None = None
    ) -> OnlineAnswer:
        """The same of keys as `entities` gives them. `rows`: how many, where there are none to count.

        Raises:
            TypeMismatch: a key holds half a character.
            BackendUnavailable
        """
        count = rows if rows is not None else len(next(iter(keys.values()))) if keys else 1
        fetched = self._reader.fetch(self._encoded(keys, count))
        if as_of is None:
            return self._now(keys, count, fetched)
        now = _micros(as_of)
        return self._understood(keys, count, now, now, fetched)

    async def awaited(self, keys: Mapping[str, list[Any]]) -> OnlineAnswer:
        """The same of few keys, for an event loop, which serves others while the store is at work."""
        count = len(next(iter(keys.values()))) if keys else 1
        return self._now(keys, count, await self._reader.fetched(self._encoded(keys, count)))

    def _now(
        self, keys: Mapping[str, list[Any]], count: int, fetched: Sequence[Sequence[StoredRow | None]]
    ) -> OnlineAnswer:
        now = time.time_ns() // 1000
        return self._understood(keys, count, now, now + AHEAD, fetched)

    def _encoded(self, keys: Mapping[str, list[Any]], count: int) -> list[list[bytes]]:
        try:
            return [
                encode([keys[name] for name in names]) if names else encode([]) * count
                for names, encode in self._encoders
            ]
        except UnicodeEncodeError as error:
            raise TypeMismatch(f"A key is no text: {error.reason}.") from error

    def _understood(
        self,
        keys: Mapping[str, list[Any]],
        count: int,
        now: int,
        latest: int,
        fetched: Sequence[Sequence[StoredRow | None]],
    ) -> OnlineAnswer:
        found = [part.understood(rows, now, latest) for part, rows in zip(self._parts, fetched, strict=True)]
        views = {part.name: values[1] for part, values in zip(self._parts, found, strict=True)}
        computed = self._compute(found, views, count) if self._functions else {}
        if self._as_stored:
            columns, statuses, times = found[0]
            width = len(columns)
            return OnlineAnswer(
                self.names,
                columns,
                [statuses] * width,
                [times] * width,
                keys,
                count,
                views,
                self._status_json,
            )
        each: list[_ValueColumns] = [
            (found[place[0]][0][place[1]], *found[place[0]][1:])
            if place
            else (*computed[ref.view, ref.feature], [None] * count)
            for ref, place in zip(self.refs, self._places, strict=True)
        ]
        return OnlineAnswer(
            self.names,
            [one[0] for one in each],
            [one[1] for one in each],
            [one[2] for one in each],
            keys,
            count,
            views,
            self._status_json,
        )

    def _compute(
        self, found: Sequence[_ViewValues], views: Mapping[str, list[Status]], count: int
    ) -> dict[tuple[str, str], tuple[list[Any], list[Status]]]:
        assert self._functions is not None
        stored = {
            (part.name, name): pa.chunked_array([pa.array(column, arrow_type(dtype))])
            for part, values in zip(self._parts, found, strict=True)
            for name, dtype, column in zip(part.features, part.dtypes, values[0], strict=True)
        }
        worst = {
            view.name: [
                max(row, key=_WORST.__getitem__)
                for row in zip(*(views[source] for source in view.sources), strict=True)
            ]
            for view in self._computed
        }
        made = self._functions.compute(stored, count)
        return {(view, name): (column.to_pylist(), worst[view]) for (view, name), column in made.items()}

    def _require(self, views: Sequence[FeatureView], refs: Sequence[FeatureRef]) -> None:
        features = {view.name: view.feature_names for view in views}
        features |= {view.name: [one.name for one in view.features] for view in self._computed}
        for ref in refs:
            if ref.feature not in features[ref.view]:
                raise ColumnNotFound(ref.feature, features[ref.view], table=ref.view)


def _asked(refs: Sequence[FeatureRef], view: str, feature: str) -> bool:
    return any(ref.view == view and ref.feature == feature for ref in refs)


def _spread(column: list[Any], places: Sequence[int], count: int) -> list[Any]:
    """Each value at its place; None elsewhere."""
    made = [None] * count
    for place, value in zip(places, column, strict=True):
        made[place] = value
    return made


def _micros(instant: datetime) -> int:
    zoned = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
    return (zoned - _EPOCH) // timedelta(microseconds=1)
