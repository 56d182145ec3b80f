"""What the parts of one run share: where they read, where they write, and what they have done so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.features.materialization.view_rows import ViewRows, is_found
from asgard_pipelines.features.online.encoded_rows import Times
from asgard_pipelines.features.online.store import OnlineStore, Written
from asgard_pipelines.lakehouse import Lakehouse, Pin, Tally
from asgard_pipelines.state import Figures

OnKeys = Callable[[int, int], None]
"""Told how many keys are done, and of how many."""


@dataclass
class Work:
    """One run for one view: its table at `pin`, rows that count as of `as_of` (aware)."""

    lakehouse: Lakehouse
    store: OnlineStore
    rows: ViewRows
    pin: Pin
    as_of: datetime
    progress: OnKeys | None = None
    tally: Tally = field(default_factory=Tally)
    _written: Written = field(default_factory=lambda: Written(0, 0))
    _done: int = 0

    def ordered(self, asked: pa.Table) -> pa.Table:
        """Keys, and what stands beside them, in the order in which the store takes them best."""
        order = self.store.order(self.rows.view, self.rows.stored_keys(asked))
        return asked if order is None else asked.take(pa.array(order))

    def put(self, rows: pa.Table) -> None:
        """Rows as the store takes them; those older than what it has do not land."""
        if len(rows):
            self._written += self.store.write(self.rows.view, rows)

    def skip(self, rows: int) -> None:
        """So many rows are older than what the store has: they are not even sent."""
        self._written += Written(0, rows)

    def swap(self, removed: pa.Table, rows: pa.Table) -> None:
        """See `OnlineStore.replace`."""
        if len(removed):
            self._written += self.store.replace(self.rows.view, removed, rows)

    def give_way(self, removed: pa.Table, batch: pa.Table) -> None:
        """The same for `batch` (of `ViewRows.with_newest`), whose keys `removed` has. Its rows are put
        afterwards in any case, and count then."""
        there = is_found(batch)
        those = removed.filter(there)
        if len(those):
            self.store.replace(self.rows.view, those, self.rows.stored(batch.filter(there)))
        self.swap(removed.filter(pc.invert(there)), self.rows.stored(batch.slice(0, 0)))

    def discard(self, keys: Sequence[bytes], times: Times) -> None:
        """See `OnlineStore.discard`."""
        self._written += Written(self.store.discard(self.rows.view, keys, times).written, 0)

    def step(self, keys: int, total: int) -> None:
        """So many more keys are done."""
        self._done = min(self._done + keys, total)
        if self.progress and total:
            self.progress(self._done, total)

    @property
    def figures(self) -> Figures:
        return Figures(
            rows_read=self.tally.rows,
            written=self._written.written,
            skipped=self._written.skipped,
            files_read=len(self.tally.files),
            bytes_read=self.tally.bytes,
        )
