"""Reads from the online store as they were put together for the first who asked so, for a short time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from starlette.concurrency import run_in_threadpool

from asgard_pipelines.declarations import Declarations
from asgard_pipelines.errors import AsgardError
from asgard_pipelines.settings import Settings

if TYPE_CHECKING:
    from asgard_pipelines.features.online import OnlineReads, PreparedRead

HELD_SECONDS = 2.0
"""What has been declared otherwise, by whatever process, is served after that time at the latest."""
_LOOK_AFTER = 0.5
"""Then somebody looks, and nobody waits for it."""
_MOST = 512
_log = logging.getLogger(__name__)


class Asked(NamedTuple):
    """What a request asks for, its entities apart."""

    service: str | None
    features: tuple[str, ...]
    full_names: bool


@dataclass
class _Held:
    """Declarations that were read together, and only reads of these: no view of half a change is served."""

    declarations: Declarations
    looked_at: float
    prepared: dict[Asked, PreparedRead] = field(default_factory=dict)


class HeldReads:
    """For one event loop. `read` gives the declarations as they stand, or raises InvalidDeclarations."""

    def __init__(self, settings: Settings, read: Callable[[], Declarations]) -> None:
        self._settings, self._read = settings, read
        self._held: _Held | None = None
        self._looking: asyncio.Task[_Held] | None = None
        self._changes = 0
        self._reads: OnlineReads | None = None

    def forget(self) -> None:
        """This process has changed what is declared: the next request looks, and waits. From any thread."""
        self._changes += 1
        self._held = None

    def leave_loop(self) -> None:
        """Before the event loop ends: connections that it alone uses are closed."""
        if self._reads is not None:
            from asgard_pipelines.features.online import leave_loop

            leave_loop()

    async def prepared(self, asked: Asked) -> PreparedRead:
        """
        Raises:
            FeatureViewNotFound, ColumnNotFound, DeclarationNotFound
            Invalid: what is asked is ambiguous, or a view is not online.
            InvalidDeclarations: they were never seen without a mistake.
        """
        held = self._fresh() or await self._seen()
        read = held.prepared.get(asked)
        if read is None:
            read = await run_in_threadpool(self._prepare, held.declarations, asked)
            if len(held.prepared) >= _MOST:
                held.prepared.clear()
            held.prepared[asked] = read
        return read

    async def declarations(self) -> Declarations:
        """Raises InvalidDeclarations: they were never seen without a mistake."""
        return (self._fresh() or await self._seen()).declarations

    def known(self, asked: Asked) -> PreparedRead | None:
        """One that stands ready; else `prepared` gives it."""
        held = self._fresh()
        return held.prepared.get(asked) if held else None

    def _fresh(self) -> _Held | None:
        """What is young enough to be served. Somebody looks in time, and nobody waits for it."""
        held = self._held
        if held is None:
            return None
        age = time.monotonic() - held.looked_at
        if age >= HELD_SECONDS:
            return None
        if age >= _LOOK_AFTER:
            self._look()
        return held

    async def _seen(self) -> _Held:
        return await asyncio.shield(self._look())

    def _look(self) -> asyncio.Task[_Held]:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._looked())
            self._looking.add_done_callback(_told)
        return self._looking

    async def _looked(self) -> _Held:
        while True:
            changes, looked_at, held = self._changes, time.monotonic(), self._held
            try:
                declarations = await run_in_threadpool(self._read)
            except AsgardError as error:
                if held is None:
                    raise
                _log.error("%s: what was declared before is served on: %s", error.code, error.message)
                declarations = held.declarations
            if changes == self._changes:  # else it was changed while it was read
                break
        if held is not None and (declarations is held.declarations or declarations == held.declarations):
            held.looked_at = looked_at
            return held
        self._held = _Held(declarations, looked_at)
        return self._held

    def _prepare(self, declarations: Declarations, asked: Asked) -> PreparedRead:
        from asgard_pipelines.features import OnlineReads, asked_features

        if self._reads is None:
            self._reads = OnlineReads(self._settings)
        found = asked_features(declarations, asked.features, asked.service, asked.full_names)
        return self._reads.prepare(declarations, [one.ref for one in found], [one.name for one in found])


def _told(task: asyncio.Task[_Held]) -> None:
    """Who waits for it hears of its error; nobody may be waiting."""
    if not task.cancelled() and (error := task.exception()):
        _log.warning("the declarations could not be read: %s", type(error).__name__)
