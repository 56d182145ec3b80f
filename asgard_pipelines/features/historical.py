"""Features as of each row's own time, from tables at pinned snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from asgard_pipelines.declarations import Declarations, Feature, FeatureRef, FeatureView
from asgard_pipelines.errors import ColumnNotFound, Invalid, SnapshotNotFound
from asgard_pipelines.features.join import Asked, Found, Known, newest
from asgard_pipelines.features.kinds import Ints, cast, instants
from asgard_pipelines.lakehouse import Lakehouse, Pin, TimeRange
from asgard_pipelines.settings import Settings

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Joined:
    """`table`: the rows as they came, then one column per reference, called as its feature, in order."""

    table: pa.Table
    coverage: dict[str, float]
    """Share of the rows for which each view had a row within its TTL; 0 when there are no rows."""
    newest_feature_time: dict[str, datetime | None]
    """The newest event time (UTC) that a row was given, per view."""
    reads: list[Pin]
    """What was read, sorted."""


def historical_features(
    settings: Settings,
    lakehouse: Lakehouse,
    declarations: Declarations,
    rows: pa.Table,
    timestamp: str,
    refs: Sequence[FeatureRef],
    pins: Mapping[str, Pin],
) -> Joined:
    """The point-in-time join of DESIGN.md; rows created after a row's time never count.

    Args:
        rows: Must hold the views' join keys and `timestamp`. Any order, repetitions and nulls are fine:
            every row comes back, in its place, with nulls where nothing was found.
        refs: Features of feature views and of on-demand views (only for these Feast is imported).
        pins: For each table that is read, the snapshot to read.

    Raises:
        FeatureViewNotFound, ColumnNotFound, TypeMismatch
        SnapshotNotFound: `pins` names no snapshot for a view's table.
        Invalid: two columns of the result would have one name.
    """
    _one_name_each([*rows.column_names, *(ref.feature for ref in refs)])
    if timestamp not in rows.column_names:
        raise ColumnNotFound(timestamp, rows.column_names, table="the asked rows")
    on_demand = {view.name: view for view in declarations.on_demand_views}
    wanted: dict[str, set[str]] = {}
    for ref in refs:
        if ref.view in on_demand:
            for source in on_demand[ref.view].sources:
                wanted.setdefault(source, set()).update(declarations.view(source).feature_names)
        else:
            wanted.setdefault(ref.view, set()).add(ref.feature)
    views = [declarations.view(name) for name in wanted]

    columns: dict[tuple[str, str], pa.ChunkedArray] = {}
    coverage: dict[str, float] = {}
    times: dict[str, datetime | None] = {}
    for alike in _alike(views):
        features = [_features(view, wanted[view.name]) for view in alike]
        part = _join(lakehouse, alike[0], [f for several in features for f in several], rows, timestamp, pins)
        for view, several in zip(alike, features, strict=True):
            coverage[view.name], times[view.name] = part.coverage, part.newest
            for feature in several:
                columns[view.name, feature.name] = part.column(feature)
    if any(ref.view in on_demand for ref in refs):
        from asgard_pipelines.features.on_demand import compute  # imports Feast

        columns |= compute(
            settings, declarations, [r for r in refs if r.view in on_demand], columns, len(rows)
        )
    table = rows
    for ref in refs:
        if (ref.view, ref.feature) not in columns:
            raise ColumnNotFound(ref.feature, declarations.view(ref.view).feature_names, table=ref.view)
        table = table.append_column(ref.feature, columns[ref.view, ref.feature])
    return Joined(table, coverage, times, sorted({pins[view.table] for view in views}))


@dataclass(frozen=True)
class _Part:
    """What one read of one table gave: its rows, and which of them belongs to each asked row."""

    table: pa.Table
    found: Found
    times: Ints

    @property
    def coverage(self) -> float:
        return float(np.mean(self.found.index >= 0)) if len(self.found.index) else 0.0

    @property
    def newest(self) -> datetime | None:
        hits = self.found.index[self.found.index >= 0]
        return _EPOCH + timedelta(microseconds=int(self.times[hits].max())) if len(hits) else None

    def column(self, feature: Feature) -> pa.ChunkedArray:
        positions = pa.array(self.found.index, mask=self.found.index < 0)
        return cast(self.table[feature.column].take(positions), feature)


def _join(
    lakehouse: Lakehouse,
    view: FeatureView,
    features: Iterable[Feature],
    rows: pa.Table,
    timestamp: str,
    pins: Mapping[str, Pin],
) -> _Part:
    if view.table not in pins:
        raise SnapshotNotFound(f"No snapshot of '{view.table}' was named to read.", table=view.table)
    for key in view.join_keys:
        if key not in rows.column_names:
            raise ColumnNotFound(key, rows.column_names, table="the asked rows")
    asked = Asked([rows[key] for key in view.join_keys], rows[timestamp])
    needed = {feature.column for feature in features}
    table = read_view(lakehouse, view, needed, pins[view.table], window(rows[timestamp], view))
    ttl = None if view.ttl is None else view.ttl // timedelta(microseconds=1)
    found = newest(asked, known(view, table), ttl)
    everything = needed | {feature.column for feature in view.features}
    if found.tied and everything - needed:
        # Which of several equals is taken must not depend on which features are asked for.
        table = read_view(lakehouse, view, everything, pins[view.table], window(rows[timestamp], view))
        found = newest(asked, known(view, table), ttl)
    return _Part(table, found, instants(table[view.timestamp])[0])


def known(view: FeatureView, table: pa.Table) -> Known:
    """A view's rows as the join takes them."""
    return Known(
        keys=[table[column] for column in view.join_keys.values()],
        times=table[view.timestamp],
        created=table[view.created_timestamp] if view.created_timestamp else None,
        values=[table[name] for name in sorted(table.column_names)],
    )


def read_view(
    lakehouse: Lakehouse, view: FeatureView, columns: Iterable[str], pin: Pin, where: TimeRange | None
) -> pa.Table:
    """The columns named and those a join needs, at the pin."""
    needed = {*columns, *view.join_keys.values(), view.timestamp}
    needed |= {view.created_timestamp} if view.created_timestamp else set()
    return lakehouse.read_table(pin, sorted(needed), [where] if where else [])


def window(times: pa.ChunkedArray, view: FeatureView) -> TimeRange | None:
    """The event times that can matter to rows asked at `times`; None when no row can be found."""
    raw, present = instants(times)
    if not present.any():
        return TimeRange(view.timestamp, end=_EPOCH)
    first = _EPOCH + timedelta(microseconds=int(raw[present].min()))
    last = _EPOCH + timedelta(microseconds=int(raw[present].max()))
    start = first - view.ttl if view.ttl is not None and view.ttl < first - _EARLIEST else None
    return TimeRange(view.timestamp, start=start, end=last + timedelta(microseconds=1))


def _features(view: FeatureView, names: set[str]) -> list[Feature]:
    for name in names:
        if name not in view.feature_names:
            raise ColumnNotFound(name, view.feature_names, table=view.name)
    return [feature for feature in view.features if feature.name in names]


def _alike(views: Iterable[FeatureView]) -> list[list[FeatureView]]:
    """Views that look the same rows up in the same way, so that their table is read once."""
    groups: dict[tuple[object, ...], list[FeatureView]] = {}
    for view in views:
        keys = tuple(sorted(view.join_keys.items()))
        groups.setdefault((view.table, keys, view.timestamp, view.created_timestamp, view.ttl), []).append(
            view
        )
    return list(groups.values())


def _one_name_each(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Invalid(f"Two columns would be called {', '.join(twice)}: rename one.", columns=twice)
