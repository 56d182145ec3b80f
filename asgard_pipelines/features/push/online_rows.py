"""Pushed rows on their way to the online store; what it did not take, for it did not answer, comes first."""

from __future__ import annotations

import time
from collections.abc import Mapping

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.features.online.encoded_rows import EncodedRows, encoded, encoded_records
from asgard_pipelines.features.online.few_values import FEW
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

    def put(
        self, view: FeatureView, key_types: Mapping[str, str], rows: PushedRows, since: float | None = None
    ) -> None:
        """Nothing for a view that is not online.

        Args:
            key_types: join key -> its entity's declared type.
            since: when they were about to be logged (`time.monotonic`); None: long ago.

        Raises:
            BackendUnavailable: the rows are tried again by `catch_up`.
        """
        if view.online:
            self._write(view.name, _encoded(view, key_types, rows.newest(list(view.join_keys))))
            if since is None or time.monotonic() - since > LATE_SECONDS:
                self._store.settle()

    def catch_up(self) -> None:
        """Puts what could not be put before. Raises BackendUnavailable: it still cannot."""
        while self._behind:
            self._store.put(*self._behind[0])
            del self._behind[0]

    def _write(self, view: str, rows: EncodedRows) -> None:
        try:
            self._store.put_logged(view, rows)
        except BackendUnavailable:
            self._behind.append((view, rows))
            raise


def _encoded(view: FeatureView, key_types: Mapping[str, str], rows: PushedRows) -> EncodedRows:
    types = {key: key_types[key] for key in view.join_keys}
    if len(rows) > FEW:
        return encoded(view, rows.table(view, types))
    created = rows.created if view.created_timestamp else None
    return encoded_records(view, types, rows.columns, rows.event, created)
