"""What a store holds of snapshots that are gone: a table that was dropped and made anew, as some tools do
with each run of theirs, has none of its former ones.

No table tells any more what was written then. So whatever the new state does not give has to go: keys that it
has no row of, and rows that are newer than its. Pushes stay that wait to be flushed: no table has them yet.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from asgard_pipelines.features.kinds import Bools, Ints
from asgard_pipelines.features.materialization.view_rows import ViewRows
from asgard_pipelines.features.materialization.work import Work
from asgard_pipelines.features.online.keys import KEYLESS, encoded_keys, key_encoder
from asgard_pipelines.features.push.rows import PushedRows
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import unflushed_rows

_HAD = "had:"


class Unaccounted:
    """For one run that writes the whole state. Rows are deleted where they still are as they were seen, so
    that what is pushed meanwhile stays."""

    def __init__(self, settings: Settings, work: Work) -> None:
        self._settings, self._work = settings, work
        self._waiting = _waiting(settings, work.rows)
        self._given: list[Ints] = []

    def give_way(self, batch: pa.Table) -> None:
        """Where the store has a newer row than `batch` (of `ViewRows.with_newest`), puts that one."""
        rows, store = self._work.rows, self._work.store
        wanted = rows.stored_keys(batch)
        keys = encoded_keys(list(rows.view.join_keys), wanted)[0].to_pylist()
        self._given.append(_hashes(store.named(keys)))
        told = store.times(rows.view, wanted)
        event, created, is_there = rows.times(batch)
        had_event, had_created, has = rows.times_stored(told)
        newer = ~is_there | (had_event > event) | ((had_event == event) & (had_created > created))
        gone = has & newer & ~self._are_waiting(keys, had_event)
        if gone.any():
            batch = batch.append_column(f"{_HAD}event", told["event"])
            batch = batch.append_column(f"{_HAD}created", told["created"]).filter(pa.array(gone))
            self._work.give_way(rows.stored_keys(batch, _HAD), batch)

    def sweep(self) -> None:
        """After all keys that the state has were given: the others go."""
        work = self._work
        given = np.unique(np.concatenate([np.zeros(0, np.int64), *self._given]))
        self._waiting |= _waiting(self._settings, work.rows)
        waiting = {(name, at) for key, at in self._waiting for name in work.store.named([key])}
        for keys, times in work.store.everything(work.rows.view.name):
            others = ~np.isin(_hashes(keys), given)
            for place in np.flatnonzero(others):
                others[place] = (keys[place], int(times.event[place])) not in waiting
            places = np.flatnonzero(others)
            work.discard([keys[place] for place in places], times.take(places))

    def _are_waiting(self, keys: list[bytes], event: Ints) -> Bools:
        pairs = zip(keys, event.tolist(), strict=True)
        return np.array([pair in self._waiting for pair in pairs], dtype=bool)


def _waiting(settings: Settings, rows: ViewRows) -> set[tuple[bytes, int]]:
    """Keys and event times of what was pushed and is in no table yet."""
    names = list(rows.key_types)
    encode = key_encoder(rows.key_types)
    made: set[tuple[bytes, int]] = set()
    for logged in unflushed_rows(settings):
        if logged.feature_view == rows.view.name:
            pushed = PushedRows.read(logged.payload)
            if pushed.columns.keys() >= set(names):  # else it was pushed when the view had other keys
                columns = [pushed.columns[name] for name in names]
                keys = encode(columns) if names else [KEYLESS] * len(pushed)
                made |= set(zip(keys, pushed.event, strict=True))
    return made


def _hashes(keys: object) -> Ints:
    """64 bits a key, so that millions are held."""
    return np.fromiter(map(hash, keys), np.int64)  # type: ignore[call-overload]
