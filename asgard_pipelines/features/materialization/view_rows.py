"""A view's rows on their way into the store: looked up in its table, and as the store takes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.declarations import Declarations, Feature, FeatureView, Where
from asgard_pipelines.features.kinds import Bools, Ints, arrow_type, cast, instants
from asgard_pipelines.features.point_in_time.engine import Lookup
from asgard_pipelines.features.point_in_time.parallel import in_order
from asgard_pipelines.features.point_in_time.streamed_join import StreamedJoin
from asgard_pipelines.lakehouse import DataFile, Source

_KEY, _AS_OF, _FEATURE, _TIME = "key:", "as of:", "feature:", "time:"
"""Beginnings of names that no column of a table has, so that no two in a join are the same."""
_NOWHERE = Where(file="", line=0)
_KEYLESS = "__dummy_id"
_DISTINCT_AT_ONCE = 1_000_000
_BATCH_ROWS = 65_536
_STORED = pa.timestamp("us")
_LEAST = np.iinfo(np.int64).min
"""In the place of a created time that is not there."""


@dataclass(frozen=True)
class ViewRows:
    """How a view reads its table. `key_types`: join key -> its entity's declared type."""

    view: FeatureView
    key_types: Mapping[str, str]
    threads: int

    @classmethod
    def of(cls, declarations: Declarations, view: FeatureView, threads: int) -> ViewRows:
        types = {entity.join_key: entity.dtype for entity in declarations.entities}
        return cls(view, {key: types[key] for key in view.join_keys}, threads)

    @classmethod
    def recalled(cls, name: str, read_as: Mapping[str, Any], threads: int) -> ViewRows:
        """As `read_as` told it then; of its features nothing is known."""
        told = {key: read_as[key] for key in ("table", "join_keys", "timestamp", "created_timestamp")}
        view = FeatureView(name=name, where=_NOWHERE, entities=[], features=[], **told)
        return cls(view, dict(read_as["key_types"]), threads)

    @property
    def read_as(self) -> dict[str, Any]:
        """All on which the stored rows depend: what is declared otherwise changes none of them."""
        view = self.view
        return {
            "table": view.table,
            "join_keys": dict(view.join_keys),
            "key_types": dict(self.key_types),
            "features": {one.name: [one.column, one.dtype] for one in view.features},
            "timestamp": view.timestamp,
            "created_timestamp": view.created_timestamp,
        }

    @property
    def fingerprint(self) -> str:
        text = json.dumps(self.read_as, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def columns(self) -> list[str]:
        """The table's columns that are read."""
        view = self.view
        created = [view.created_timestamp] if view.created_timestamp else []
        features = [one.column for one in view.features]
        return list(dict.fromkeys([*view.join_keys.values(), view.timestamp, *created, *features]))

    @property
    def key_columns(self) -> list[str]:
        """Those of a table of keys, as `keys_of` gives it."""
        return [f"{_KEY}{key}" for key in self.view.join_keys] or [_KEYLESS]

    def keys_of(self, *sources: Source) -> pa.Table:
        """The distinct keys of the sources, in their types; one row for a view without keys."""
        if not self.view.join_keys:
            return pa.table({_KEYLESS: [""]})
        columns = list(dict.fromkeys(self.view.join_keys.values()))
        known: pa.Table | None = None
        waiting: list[pa.RecordBatch] = []
        for batch in _batches(sources, columns, self.threads):
            waiting.append(batch)
            if sum(one.num_rows for one in waiting) >= _DISTINCT_AT_ONCE:
                known, waiting = _merged(known, waiting), []
        known = _merged(known, waiting) if waiting else known
        if known is None:
            schema = pa.schema([sources[0].schema.field(column) for column in columns])
            known = schema.empty_table()
        known = known.filter(_all_valid(known))
        return pa.table({f"{_KEY}{key}": known[column] for key, column in self.view.join_keys.items()})

    def with_newest(self, asked: pa.Table, source: Source, as_of: datetime) -> Iterator[pa.Table]:
        """`asked` (keys, and columns that come back as they are) with each one's newest row, by batches."""
        columns = {f"{_FEATURE}{one.name}": one.column for one in self.view.features}
        return self._looked_up(asked, source, as_of, columns | self._times(_TIME))

    def with_none(self, asked: pa.Table) -> Iterator[pa.Table]:
        """The same where there is no source: no key has a row."""
        kinds = {f"{_FEATURE}{one.name}": arrow_type(one.dtype) for one in self.view.features}
        kinds |= dict.fromkeys(self._times(_TIME), _STORED)
        for start in range(0, len(asked), _BATCH_ROWS):
            batch = asked.slice(start, _BATCH_ROWS)
            for name, kind in kinds.items():
                batch = batch.append_column(name, pa.nulls(len(batch), kind))
            yield batch

    def with_times(self, asked: pa.Table, source: Source, as_of: datetime, name: str) -> pa.Table:
        """`asked` with the newest row's times, under a name of their own."""
        return pa.concat_tables(self._looked_up(asked, source, as_of, self._times(name)))

    def _looked_up(
        self,
        asked: pa.Table,
        source: Source,
        as_of: datetime,
        columns: Mapping[str, str],
    ) -> Iterator[pa.Table]:
        view = self.view
        instant = pa.repeat(pa.scalar(as_of, pa.timestamp("us", "UTC")), len(asked))
        lookup = Lookup(
            name=view.name,
            source=source,
            keys={f"{_KEY}{key}": column for key, column in view.join_keys.items()},
            timestamp=view.timestamp,
            columns=columns,
            created_timestamp=view.created_timestamp,
            ties=sorted(source.schema.names),
        )
        joined = StreamedJoin(self.threads).join(
            asked.append_column(_AS_OF, instant), _AS_OF, [lookup], filter_by_created=True
        )
        if not len(asked):
            yield joined.schema.empty_table().drop_columns([_AS_OF])
        for batch in joined.batches():
            yield pa.Table.from_batches([batch]).drop_columns([_AS_OF])

    def _times(self, name: str) -> dict[str, str]:
        created = self.view.created_timestamp
        return {f"{name}event": self.view.timestamp, **({f"{name}created": created} if created else {})}

    def times(self, found: pa.Table, name: str = _TIME) -> tuple[Ints, Ints, Bools]:
        """Event times and created times (least where there is none), and which rows have an event time."""
        event, present = instants(found[f"{name}event"])
        if not self.view.created_timestamp:
            return event, _none(len(event)), present
        created, known = instants(found[f"{name}created"])
        return event, np.where(known, created, _LEAST), present

    def times_stored(self, told: pa.Table) -> tuple[Ints, Ints, Bools]:
        """The same of what `OnlineStore.times` told; created times count where the view has such."""
        event, present = instants(told["event"])
        if not self.view.created_timestamp:
            return event, _none(len(event)), present
        created, known = instants(told["created"])
        return event, np.where(known, created, _LEAST), present

    def stored(self, found: pa.Table) -> pa.Table:
        """Rows that were found, as the store takes them."""
        view = self.view
        columns = self._stored_keys(found)
        columns |= {one.name: cast(found[f"{_FEATURE}{one.name}"], one) for one in view.features}
        return pa.table(columns | self._stored_times(found, _TIME))

    def stored_keys(self, asked: pa.Table, times: str | None = None) -> pa.Table:
        """Keys as the store takes them; with the times that stand under a name."""
        columns = self._stored_keys(asked)
        return pa.table(columns | (self._stored_times(asked, times) if times else {}))

    def _stored_keys(self, asked: pa.Table) -> dict[str, pa.ChunkedArray]:
        if not self.key_types:
            return {_KEYLESS: asked[_KEYLESS]}
        return {
            key: cast(asked[f"{_KEY}{key}"], Feature(name=key, dtype=dtype, column=self.view.join_keys[key]))
            for key, dtype in self.key_types.items()
        }

    def _stored_times(self, asked: pa.Table, name: str) -> dict[str, pa.ChunkedArray]:
        return {self._times("")[part]: _instants(asked[f"{name}{part}"]) for part in self._times("")}


def found(rows: pa.Table) -> pa.Table:
    """Those of `with_newest` for whose keys there is a row."""
    return rows.filter(is_found(rows))


def is_found(rows: pa.Table) -> pa.ChunkedArray:
    return rows[f"{_TIME}event"].is_valid()


def _none(rows: int) -> Ints:
    return np.full(rows, _LEAST)


def _instants(column: pa.ChunkedArray) -> pa.ChunkedArray:
    raw, present = instants(column)
    return pa.chunked_array([pa.array(raw, mask=~present).cast(_STORED)])


def _batches(sources: Sequence[Source], columns: Sequence[str], threads: int) -> Iterator[pa.RecordBatch]:
    """Distinct rows, part by part."""
    schema = pa.schema([sources[0].schema.field(column) for column in columns])

    def read(file: DataFile, part: int) -> list[pa.RecordBatch]:
        pieces = [piece.rows for piece in file.pieces(columns, part)]
        if not pieces:
            return []
        merged: list[pa.RecordBatch] = _merged(None, pieces).cast(schema).to_batches()
        return merged

    calls = [
        partial(read, file, part) for one in sources for file in one.files([]) for part in file.parts([])
    ]
    for batches in in_order(calls, threads):
        yield from batches


def _merged(known: pa.Table | None, batches: Sequence[pa.RecordBatch]) -> pa.Table:
    every = pa.Table.from_batches(batches)
    every = every if known is None else pa.concat_tables([known, every])
    # Several threads would each make a table of their own, and merge them: twice the work, and no less time
    return every.group_by(every.column_names, use_threads=False).aggregate([])


def _all_valid(rows: pa.Table) -> pa.ChunkedArray | pa.Array:
    valid = pa.array([True] * len(rows)) if not rows.column_names else rows.column(0).is_valid()
    for column in rows.columns[1:]:
        valid = pc.and_(valid, column.is_valid())
    return valid
