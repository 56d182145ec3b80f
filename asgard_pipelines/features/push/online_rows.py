"""Pushed rows on their way to the online store; what it did not take, for it did not answer, comes first."""

from __future__ import annotations

from collections.abc import Mapping

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.features.online.encoded_rows import EncodedRows, encoded, encoded_records
from asgard_pipelines.features.online.few_values import FEW
from asgard_pipelines.features.online.store import OnlineStore
from asgard_pipelines.features.push.rows import PushedRows


class PushedOnline:
    """For one thread at a time."""

    def __init__(self, store: OnlineStore) -> None:
        self._store = store
        self._behind: list[tuple[str, EncodedRows]] = []

    def put(self, view: FeatureView, key_types: Mapping[str, str], rows: PushedRows) -> None:
        """Nothing for a view that is not online.

        Args:
            key_types: join key -> its entity's declared type.

        Raises:
            BackendUnavailable: the rows are tried again by `catch_up`.
        """
        if view.online:
            self._write(view.name, _encoded(view, key_types, rows.newest(list(view.join_keys))))

    def catch_up(self) -> None:
        """Puts what could not be put before. Raises BackendUnavailable: it still cannot."""
        while self._behind:
            self._store.put_logged(*self._behind[0])
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
