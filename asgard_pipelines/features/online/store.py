"""The online store: of each key of a view its newest row, in the bytes that Feast reads and writes.

Rows are ordered by (event time, created time), and a store holds the newest it was ever given: an older one
does not land, whoever writes it and whenever. One with equal times lands, so that a restatement arrives.
Times are kept to the microsecond; a created time that is null, or that the view has none of, is the lowest.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.errors import Conflict
from asgard_pipelines.features.kinds import Bools, Ints
from asgard_pipelines.features.online.encoded_rows import EncodedRows, Times, encoded
from asgard_pipelines.features.online.keys import encoded_keys

_AT_ONCE = 8192
"""Rows that are encoded and sent together: some MB."""


@dataclass(frozen=True)
class Written:
    """Of the rows given: how many landed, and how many did not, for what is stored is newer (or, of a
    replacement, another row than was expected), or for lack of a key or an event time."""

    written: int
    skipped: int

    def __add__(self, other: Written) -> Written:
        return Written(self.written + other.written, self.skipped + other.skipped)


@dataclass(frozen=True)
class ViewRead:
    """What is read of one view: its features' names, for the keys at the place `keys` of what is fetched."""

    view: str
    features: tuple[str, ...]
    keys: int = 0


StoredRow = tuple[int, Sequence[bytes | None]]
"""Event time (microseconds since 1970, UTC), and each asked feature's bytes; null ones are empty or None."""


class Reader(ABC):
    """A read that was put together once. Safe to use from several threads."""

    @abstractmethod
    def fetch(self, keys: Sequence[Sequence[bytes]]) -> list[list[StoredRow | None]]:
        """
        Args:
            keys: lists of encoded keys; each view names the one it is read for.

        Returns:
            For each view, in the order they were asked in, a row for each of its keys, in their order; None
            for keys that are not stored.

        Raises:
            BackendUnavailable
        """

    at_once = False
    """It takes less time than others would be served in."""

    async def fetched(self, keys: Sequence[Sequence[bytes]]) -> list[list[StoredRow | None]]:
        """The same for an event loop, which serves others meanwhile, unless it is done `at_once`."""
        return await asyncio.to_thread(self.fetch, keys)


class OnlineStore(ABC):
    """One store of one Feast project. Safe to use from several threads, and from several processes at once.

    A row lands whole or not at all, and a reader sees all of one row or none of it. Tables are made as they
    are needed. Every method raises BackendUnavailable when the store does not answer.
    """

    address: str
    """Where it is, without passwords."""

    def __init__(self, project: str) -> None:
        self.project = project

    def write(self, view: FeatureView, rows: pa.Table) -> Written:
        """
        Args:
            rows: at most one for each key. The columns: the view's join keys, in exactly their entities'
                declared types (the number 1 as int32 and as int64 are two keys); its features by their
                names, in their declared types; `view.timestamp`; and `view.created_timestamp` if it has one.
                Others are ignored.

        Raises:
            ColumnNotFound, TypeMismatch: the rows are not those of the view.
        """
        total = Written(0, 0)
        for start in range(0, len(rows), _AT_ONCE):
            batch = rows.slice(start, _AT_ONCE)
            made = encoded(view, batch)
            landed = self.put(view.name, made)
            total += Written(landed, len(batch) - landed)
        return total

    def replace(self, view: FeatureView, removed: pa.Table, rows: pa.Table) -> Written:
        """Puts another row, an older one too, in the place of one that is no longer true.

        Args:
            removed: keys, event times and created times, as in `write`. Only where exactly this is stored
                does anything happen.
            rows: as in `write`; for the keys that have none the stored row is deleted.

        Raises:
            Conflict: a row's key is not among `removed`.
        """
        total = Written(0, 0)
        keys, times, present = _keys_and_times(view, removed)
        made = encoded(view, rows)
        new = {key: place for place, key in enumerate(made.as_lists()[0])}
        if strange := new.keys() - set(keys):
            raise Conflict(
                f"{len(strange)} rows of '{view.name}' are to replace nothing.", feature_view=view.name
            )
        asked = np.flatnonzero(present)
        for start in range(0, len(asked), _AT_ONCE):
            places = asked[start : start + _AT_ONCE]
            those = [keys[place] for place in places]
            done = self.swap(view.name, those, times.take(places), made, [new.get(key, -1) for key in those])
            total += Written(done, len(those) - done)
        return total + Written(0, len(keys) - len(asked))

    def times(self, view: FeatureView, keys: pa.Table) -> pa.Table:
        """What is stored of each of `keys`, in their order: `event` and `created`, naive UTC, in
        microseconds; null where nothing is stored."""
        wanted, present = encoded_keys(list(view.join_keys), keys)
        stored, known = self.stored_times(view.name, wanted.to_pylist())
        known = known & present
        event, created = _instants(stored.event, known), _instants(stored.created, known & stored.has_created)
        return pa.table({"event": event, "created": created})

    def discard(self, view: FeatureView, keys: Sequence[bytes], expected: Times) -> Written:
        """Deletes rows, each where exactly this is stored still. `keys` are as `everything` gives them."""
        nothing = EncodedRows([], {one.name: [] for one in view.features}, expected.take([]))
        done = self.swap(view.name, keys, expected, nothing, [-1] * len(keys)) if keys else 0
        return Written(done, len(keys) - done)

    def named(self, keys: Sequence[bytes]) -> Sequence[bytes]:
        """Encoded keys as `everything` gives them."""
        return keys

    def _present(self, view: str, keys: list[bytes]) -> tuple[list[bytes], Times]:
        """Those that are stored, with their times."""
        times, known = self.stored_times(view, keys)
        return [key for key, one in zip(keys, known, strict=True) if one], times.take(np.flatnonzero(known))

    def order(self, view: FeatureView, keys: pa.Table) -> Ints | None:
        """In which order so many keys are written fastest; None if it does not matter."""
        return None

    @abstractmethod
    def put(self, view: str, rows: EncodedRows) -> int:
        """Writes rows that are newer than, or equal to, what is stored. Returns how many landed."""

    def put_logged(self, view: str, rows: EncodedRows) -> int:
        """As `put`, of rows that are on disk in another place until `settle` has been called: online at once,
        and here they need not survive the end of the machine."""
        return self.put(view, rows)

    def ready(self, view: str, rows: EncodedRows) -> AbstractContextManager[Callable[[], int]]:
        """As much of `put_logged` as nobody sees; what it gives does the rest, or is never called.

        Args:
            rows: at most one of each key.
        """
        return nullcontext(partial(self.put_logged, view, rows))

    @abstractmethod
    def settle(self) -> None:
        """What `put_logged` wrote, of any process, is kept as well as what `put` writes."""

    @abstractmethod
    def swap(
        self, view: str, keys: Sequence[bytes], expected: Times, rows: EncodedRows, taken: Sequence[int]
    ) -> int:
        """Where exactly `expected` is stored: row `taken` of `rows` instead, or nothing for -1. Returns how
        often."""

    @abstractmethod
    def stored_times(self, view: str, keys: Sequence[bytes]) -> tuple[Times, Bools]:
        """Of each key, and which of them are stored."""

    @abstractmethod
    def everything(self, view: str) -> Iterator[tuple[list[bytes], Times]]:
        """All that is stored of a view, some at a time: keys by which `swap` finds them, and their times.
        What is written meanwhile may or may not be among it; a row may come twice."""

    @abstractmethod
    def reader(self, asked: Sequence[ViewRead]) -> Reader:
        """What fetches the views in one round trip (SQLite: without any). Unknown views have no rows."""

    @abstractmethod
    def identity(self, view: str) -> str:
        """`address#token`: the token stands in the store beside the view's rows and is lost with them (the
        file is deleted, Redis is flushed, the view is dropped). Who remembers it sees that what was written
        is gone."""

    @abstractmethod
    def identities(self, views: Sequence[str]) -> dict[str, str]:
        """Of those of the views that have one; none is made."""

    @abstractmethod
    def make(self, view: str) -> None:
        """What the view needs before it can be written; nothing when it is there."""

    def drop(self, view: FeatureView) -> None:
        """Deletes every row of the view, and its identity; nothing when there is none."""
        self.remove(view.name, view.feature_names)

    @abstractmethod
    def remove(self, view: str, features: Sequence[str]) -> None:
        """As `drop`, by names."""

    @abstractmethod
    def count(self, view: FeatureView) -> int | None:
        """How many keys are stored; None where the store cannot tell at a bearable price."""

    @abstractmethod
    def ping(self) -> None:
        """Raises BackendUnavailable: the store does not answer."""

    @abstractmethod
    def close(self) -> None:
        """Gives back connections. The store may be used again."""

    def leave_loop(self) -> None:
        """Gives back what the running event loop alone uses, before it ends. Most keep nothing for one."""
        return


def _keys_and_times(view: FeatureView, rows: pa.Table) -> tuple[list[bytes], Times, Bools]:
    keys, present = encoded_keys(list(view.join_keys), rows)
    times, timed = Times.of(view, rows)
    return keys.to_pylist(), times, present & timed


def _instants(micros: Ints, known: Bools) -> pa.Array:
    return pa.array(micros, mask=~known).cast(pa.timestamp("us"))
