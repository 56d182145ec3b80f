"""Pushes: durable before they are acknowledged, online at once, in the lakehouse with the next flush.

Pushes that come at once are written together: whoever's turn it is takes all that wait, writes them ahead
with one commit (and so one fsync), and to the online store with one write a view.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

import orjson

from asgard_pipelines.declarations import Declarations
from asgard_pipelines.errors import BackendUnavailable, Conflict, Invalid
from asgard_pipelines.features.online.store import OnlineStore
from asgard_pipelines.features.push.fitted import fitted
from asgard_pipelines.features.push.online_rows import PushedOnline
from asgard_pipelines.features.push.records import CheckedRecords, PushSource
from asgard_pipelines.features.push.rows import PushedRows
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Push, PushLog, known_pushes, unflushed_rows

_journal = logging.getLogger(__name__)


@dataclass(frozen=True)
class PushAnswer:
    """`errors` are on the records that were not taken, `warnings` on some that were."""

    push_id: str
    accepted: int
    rejected: int
    errors: list[dict[str, Any]]
    warnings: list[dict[str, Any]]


@dataclass
class _Waiting:
    push_id: str
    digest: str
    named: bool
    """The sender gave the id, and may send it again."""
    source: PushSource
    checked: CheckedRecords
    answer: dict[str, Any]
    done: Future[PushAnswer] = field(default_factory=Future)


class Pushes:
    """Takes pushes, from any thread. One for each process and online store; `close` it."""

    def __init__(self, settings: Settings, store: OnlineStore) -> None:
        self._settings = settings
        self._online = PushedOnline(store)
        self._waiting: list[_Waiting] = []
        self._clock = 0
        self._log = PushLog(settings)
        self._sources: dict[str, tuple[Declarations, PushSource]] = {}
        self._writing = threading.Lock()
        """Held by the one thread that writes; the others' pushes wait together."""
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="pushes", daemon=True)
        self._thread.start()

    def push(
        self,
        declarations: Declarations,
        source: str,
        records: Sequence[Mapping[str, Any]],
        push_id: str | None = None,
    ) -> PushAnswer:
        """As `submit`, waiting for it: in this thread where none is writing."""
        waiting = self._queue(declarations, source, records, push_id)
        self._write()
        return waiting.done.result()

    def submit(
        self,
        declarations: Declarations,
        source: str,
        records: Sequence[Mapping[str, Any]],
        push_id: str | None = None,
    ) -> Future[PushAnswer]:
        """Checks the records; the answer comes once those that are right are on disk and in the online store.

        Args:
            source: a push source, which one or more views have.
            records: each its join keys (by key or entity), `event_timestamp` (ISO 8601; naive is UTC) and
                `features`, an object of all features of those views.
            push_id: sent again with the same records, it gets the first answer, and nothing is written.

        Raises:
            DeclarationNotFound: no view has that push source.
            Conflict, from the future: the push id was sent before, with other records.
            BackendUnavailable, from the future: the records may be durable, and are not online yet. Sent
                again with the same push id they are written once.
        """
        waiting = self._queue(declarations, source, records, push_id)
        with self._wake:
            self._wake.notify()
        return waiting.done

    def _queue(
        self,
        declarations: Declarations,
        source: str,
        records: Sequence[Mapping[str, Any]],
        push_id: str | None,
    ) -> _Waiting:
        pushed = self._source(declarations, source)
        checked = pushed.check(records, datetime.now(UTC))
        answer = {
            "accepted": len(checked.event),
            "rejected": len(checked.errors),
            "errors": [asdict(one) for one in checked.errors],
            "warnings": [asdict(one) for one in checked.warnings],
        }
        digest = _digest(source, records) if push_id else ""
        named, push_id = push_id is not None, push_id or f"push_{token_hex(12)}"
        waiting = _Waiting(push_id, digest, named, pushed, checked, answer)
        waiting.done.set_running_or_notify_cancel()  # who does not wait for it any more ends nothing
        with self._wake:
            if self._closed:
                raise BackendUnavailable("The service is being stopped.")
            self._waiting.append(waiting)
        return waiting

    def _source(self, declarations: Declarations, name: str) -> PushSource:
        """Put together once while the declarations stand."""
        known = self._sources.get(name)
        if known is None or known[0] is not declarations:
            known = self._sources[name] = (declarations, PushSource(declarations, name))
        return known[1]

    def recover(self, declarations: Declarations) -> int:
        """Puts online what was acknowledged and is not in the lakehouse yet: who took it may have died before
        it got there. Harmless where it did. Returns how many rows there were.

        Raises:
            BackendUnavailable: not all of them are online.
        """
        views = {view.name: view for view in declarations.views}
        rows = 0
        for logged in unflushed_rows(self._settings):
            view = views.get(logged.feature_view)
            if view is not None and view.push_source:
                types = self._source(declarations, view.push_source).key_types
                try:
                    now = fitted(PushedRows.read(logged.payload), view, types)
                except Invalid as error:  # a flush holds them back, and says so
                    _journal.warning("%d pushed rows of '%s' wait: %s", logged.rows, view.name, error.message)
                    continue
                with self._writing:
                    self._online.recover(view, types, now)
                rows += logged.rows
        return rows

    def close(self) -> None:
        """Once all that was submitted is answered. Nothing is taken after it."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()
        self._write()
        self._log.close()

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._closed:
                    self._wake.wait()
                if not self._waiting:
                    return
            self._write()

    def _write(self) -> None:
        """All that wait, if they still do when their turn comes."""
        with self._writing:
            with self._wake:
                batch, self._waiting = self._waiting, []
            if not batch:
                return
            try:
                self._take(batch)
            except Exception as error:  # each sender is told; the next batch is taken all the same
                for one in batch:
                    if not one.done.done():
                        one.done.set_exception(error)

    def _take(self, batch: Sequence[_Waiting]) -> None:
        self._online.catch_up()
        new = self._unknown(batch)
        made = [(one, self._rows(one)) for one in new]
        # Of one source, as it was declared when they were checked: it may have other features since.
        by_view: dict[tuple[PushSource, str], list[PushedRows]] = {}
        for one, rows in made:
            for view, part in rows.items():
                by_view.setdefault((one.source, view), []).append(part)
        joined = [
            (source.views[view], source.key_types, PushedRows.joined(parts))
            for (source, view), parts in by_view.items()
        ]
        with self._online.ready(joined) as put:
            if new:
                self._log.write([_logged(one, rows) for one, rows in made])
            put()
        for one in new:
            one.done.set_result(PushAnswer(one.push_id, **one.answer))

    def _unknown(self, batch: Sequence[_Waiting]) -> list[_Waiting]:
        """Those that were not acknowledged before; the others get their answers."""
        named = [one.push_id for one in batch if one.named]
        known = known_pushes(self._settings, named) if named else {}
        first: dict[str, _Waiting] = {}
        for one in batch:
            if one.push_id in known:
                digest, answer = known[one.push_id][0], orjson.loads(known[one.push_id][1])
            elif one.push_id in first:
                digest, answer = first[one.push_id].digest, first[one.push_id].answer
            else:
                first[one.push_id] = one
                continue
            if digest == one.digest:
                one.done.set_result(PushAnswer(one.push_id, **answer))
            else:
                one.done.set_exception(
                    Conflict(
                        f"The push '{one.push_id}' was sent before, with other records.", push_id=one.push_id
                    )
                )
        return list(first.values())

    def _rows(self, one: _Waiting) -> dict[str, PushedRows]:
        """By view, with created times that no two rows share: the order of acknowledgement."""
        checked = one.checked
        if not checked.event:
            return {}
        first = max(time.time_ns() // 1_000, self._clock + 1)
        self._clock = first + len(checked.event) - 1
        created = list(range(first, self._clock + 1))
        return {
            name: PushedRows(
                {key: checked.columns[key] for key in columns},
                checked.event,
                created,
                one.source.stored_as[name],
            )
            for name, columns in one.source.columns.items()
        }


def _logged(one: _Waiting, rows: Mapping[str, PushedRows]) -> Push:
    payloads = {view: (len(part), part.bytes()) for view, part in rows.items()}
    return Push(one.push_id, one.digest, orjson.dumps(one.answer).decode(), payloads)


def _digest(source: str, records: Sequence[Mapping[str, Any]]) -> str:
    return hashlib.sha256(json.dumps([source, records], sort_keys=True, default=str).encode()).hexdigest()
