"""Pushed rows on their way to the online store; what it did not take, for it did not answer, comes first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.features.online.answer import AHEAD
from asgard_pipelines.features.online.encoded_rows import EncodedRows, encoded_records
from asgard_pipelines.features.online.store import OnlineStore
from asgard_pipelines.features.push.rows import PushedRows

LATE_SECONDS = 0.5
"""So long a flush gives those who have logged rows to put them, before it settles the store and forgets them.
Who takes longer settles the store itself."""


class PushedOnline:
    """For one thread at a time."""

    def __init__(self, store: OnlineStore) -> None:
        self._store = store
        self._behind: list[tuple[str, EncodedRows]] = []

    @contextmanager
    def ready(
        self, given: Sequence[tuple[FeatureView, Mapping[str, str], PushedRows]]
    ) -> Iterator[Callable[[], None]]:
        """All that can be done before the rows are logged; what it gives puts them online once they are.

        It raises BackendUnavailable: the rows are tried again by `catch_up`.

        Args:
            given: of each view its entities' declared types by join key, and its rows. Nothing is done for a
                view that is not online.
        """
        began = time.monotonic()
        made = [(view.name, _encoded(view, types, rows)) for view, types, rows in given if view.online]
        if not made:
            yield lambda: None
            return
        # Views share keys, and a write to one is one to the other: the first is held ready.
        with self._store.ready(*made[0]) as put_first:

            def put() -> None:
                self._behind = made
                put_first()
                for view, rows in made[1:]:
                    self._store.put_logged(view, rows)
                self._behind = []
                if time.monotonic() - began > LATE_SECONDS:
                    self._store.settle()

            yield put

    def recover(self, view: FeatureView, key_types: Mapping[str, str], rows: PushedRows) -> None:
        """Puts what was logged long ago. Raises BackendUnavailable."""
        if view.online:
            self._store.put(view.name, _encoded(view, key_types, rows))

    def catch_up(self) -> None:
        """Puts what could not be put before. Raises BackendUnavailable: it still cannot."""
        for view, rows in self._behind:
            self._store.put(view, rows)
        self._behind = []


def to_be_served(view: FeatureView, rows: PushedRows) -> PushedRows:
    """The newest of each key. One dated further ahead than clocks differ would hide until then what counts
    now: it goes to the table alone, and a materialization brings it when its time has come."""
    return rows.until(time.time_ns() // 1_000 + AHEAD).newest(list(view.join_keys))


def _encoded(view: FeatureView, key_types: Mapping[str, str], rows: PushedRows) -> EncodedRows:
    newest = to_be_served(view, rows)
    types = {key: key_types[key] for key in view.join_keys}
    created = newest.created if view.created_timestamp else None
    return encoded_records(view, types, newest.columns, newest.event, created)
