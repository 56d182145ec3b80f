"""Features as of each row's own time, from tables at pinned snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from asgard_pipelines.declarations import Declarations, Feature, FeatureRef, FeatureView, OnDemandView
from asgard_pipelines.errors import ColumnNotFound, Invalid, SnapshotNotFound
from asgard_pipelines.features.kinds import arrow_type, cast, check_kind
from asgard_pipelines.features.point_in_time.engine import JoinedRows, Lookup
from asgard_pipelines.features.point_in_time.streamed_join import StreamedJoin
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.settings import Settings

if TYPE_CHECKING:
    from asgard_pipelines.features.on_demand import OnDemandFunctions


class Joined:
    """The asked rows as they came, then one column per reference, called as its feature, in order.

    coverage: share of the rows for which each view had a row within its TTL; 0 when there are no rows.
    newest_feature_time: the newest event time (UTC) that a row was given, per view.
    reads: what was read, sorted.
    """

    def __init__(self, rows: JoinedRows, asked: Sequence[str], wanted: _Wanted) -> None:
        self._rows, self._asked, self._wanted = rows, list(asked), wanted
        self.coverage: dict[str, float] = {view: found.coverage for view, found in rows.found.items()}
        self.newest_feature_time: dict[str, datetime | None] = {
            view: found.newest for view, found in rows.found.items()
        }
        self.reads: list[Pin] = list(rows.reads)

    @property
    def schema(self) -> pa.Schema:
        """Of `table` and of each of `batches`."""
        asked = [self._rows.schema.field(name) for name in self._asked]
        return pa.schema([*asked, *self._wanted.fields])

    @cached_property
    def table(self) -> pa.Table:
        """All rows, in memory."""
        return self._finished(self._rows.table())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in order, a bounded number at a time; each batch computes its on-demand views."""
        for batch in self._rows.batches():
            yield from self._finished(pa.Table.from_batches([batch])).combine_chunks().to_batches()

    def close(self) -> None:
        """Lets go of what the join holds. The rows cannot be read after it."""
        self._rows.close()

    def _finished(self, joined: pa.Table) -> pa.Table:
        asked = [joined[name] for name in self._asked]
        return pa.table([*asked, *self._wanted.columns(joined)], schema=self.schema)


def historical_features(
    settings: Settings,
    lakehouse: Lakehouse,
    declarations: Declarations,
    rows: pa.Table,
    timestamp: str,
    refs: Sequence[FeatureRef],
    pins: Mapping[str, Pin],
    names: Sequence[str] | None = None,
) -> Joined:
    """The point-in-time join of DESIGN.md; rows created after a row's time never count.

    Args:
        rows: Must hold the views' join keys and `timestamp`. Any order, repetitions and nulls are fine:
            every row comes back, in its place, with nulls where nothing was found.
        refs: Features of feature views and of on-demand views (only for these Feast is imported).
        pins: For each table that is read, the snapshot to read.
        names: What each reference's column is called; its feature's name, when None.

    Raises:
        FeatureViewNotFound, ColumnNotFound, TypeMismatch
        SnapshotNotFound: `pins` names no snapshot for a view's table.
        Invalid: two columns of the result would have one name.
    """
    columns = [*rows.column_names, *(names or [ref.feature for ref in refs])]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise Invalid(f"Two columns would be called {', '.join(twice)}: rename one.", columns=twice)
    wanted = _Wanted(settings, declarations, refs, names)
    lookups = [_lookup(lakehouse, view, features, pins) for view, features in wanted.stored]
    joined = StreamedJoin(settings.thread_count).join(rows, timestamp, lookups, filter_by_created=True)
    return Joined(joined, rows.column_names, wanted)


class _Wanted:
    """Which features of which views `refs` need, and how they come out of the join."""

    def __init__(
        self,
        settings: Settings,
        declarations: Declarations,
        refs: Sequence[FeatureRef],
        names: Sequence[str] | None,
    ) -> None:
        on_demand = {view.name: view for view in declarations.on_demand_views}
        computed = [on_demand[name] for name in dict.fromkeys(r.view for r in refs) if name in on_demand]
        named: dict[str, set[str]] = {}
        for ref in refs:
            if ref.view in on_demand:
                for source in on_demand[ref.view].sources:
                    named.setdefault(source, set()).update(declarations.view(source).feature_names)
            else:
                named.setdefault(ref.view, set()).add(ref.feature)
        views: list[FeatureView] = [declarations.view(name) for name in named]
        self.stored = [(view, [_feature(view, name) for name in sorted(named[view.name])]) for view in views]
        """Stored views, each with the features that are needed of it."""
        self._refs = refs
        features = [_feature(on_demand.get(r.view) or declarations.view(r.view), r.feature) for r in refs]
        called = names or [feature.name for feature in features]
        self.fields = [
            pa.field(name, arrow_type(feature.dtype)) for name, feature in zip(called, features, strict=True)
        ]
        self._computed = _functions(settings, declarations, computed)

    def columns(self, joined: pa.Table) -> list[pa.ChunkedArray]:
        """One per reference, in its declared type."""
        columns = {
            (view.name, feature.name): cast(joined[_column(view, feature)], feature)
            for view, features in self.stored
            for feature in features
        }
        if self._computed is not None:
            columns |= self._computed.compute(columns, joined.num_rows)
        return [columns[ref.view, ref.feature] for ref in self._refs]


def _functions(
    settings: Settings, declarations: Declarations, views: Sequence[OnDemandView]
) -> OnDemandFunctions | None:
    if not views:
        return None
    from asgard_pipelines.features.on_demand import OnDemandFunctions  # imports Feast

    return OnDemandFunctions(settings, declarations, views)


def _feature(view: FeatureView | OnDemandView, name: str) -> Feature:
    for feature in view.features:
        if feature.name == name:
            return feature
    raise ColumnNotFound(name, [feature.name for feature in view.features], table=view.name)


def _lookup(
    lakehouse: Lakehouse, view: FeatureView, features: Sequence[Feature], pins: Mapping[str, Pin]
) -> Lookup:
    if view.table not in pins:
        raise SnapshotNotFound(f"No snapshot of '{view.table}' was named to read.", table=view.table)
    source = lakehouse.source(pins[view.table])
    for feature in features:
        if feature.column in source.schema.names:  # what is missing, the join says
            check_kind(source.schema.field(feature.column).type, feature)
    return Lookup(
        name=view.name,
        source=source,
        keys=view.join_keys,
        timestamp=view.timestamp,
        columns={_column(view, feature): feature.column for feature in features},
        created_timestamp=view.created_timestamp,
        ttl=view.ttl,
        ties=sorted(source.schema.names),  # all of them: not only those that happen to be asked for
    )


def _column(view: FeatureView, feature: Feature) -> str:
    return f"{view.name}:{feature.name}"
