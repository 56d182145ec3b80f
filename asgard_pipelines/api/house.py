"""What the routes stand on: the settings, the declarations, the lakehouse, the registry; opened once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

from fastapi import BackgroundTasks

from asgard_pipelines.api.features.held_reads import HeldReads
from asgard_pipelines.api.features.shared_reads import SharedReads
from asgard_pipelines.api.metrics import RequestMetrics
from asgard_pipelines.declarations import Declarations
from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import made, waiting_rows

if TYPE_CHECKING:
    from asgard_pipelines.features.push.pushes import Pushes
    from asgard_pipelines.graph import RunClient
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.models import ModelRegistry
    from asgard_pipelines.predictions import OnlinePredictions

_DECLARING_SECONDS = 30.0
"""How long a request waits for its turn to declare something; clients wait for answers a minute or so."""
_RECOVERING_SECONDS = 2.0
"""After so long a store that did not answer is asked again."""
_log = logging.getLogger(__name__)


class House:
    """One for each server. Safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._declaring = Lock()
        self.followers: set[asyncio.Task[None]] = set()
        """Of runs that nobody waits for any more."""
        self.metrics = RequestMetrics(settings)
        self.held_reads = HeldReads(settings, lambda: self.declarations)
        self.shared_reads = SharedReads()
        """Of the online store, for the server's event loop."""

    @contextmanager
    def declaring(self, *, patient: bool = False) -> Iterator[None]:
        """While declarations change: each is compiled with all that stand, so one comes after the other.

        Raises:
            BackendUnavailable: so many are waiting that this one would take too long; not if it is `patient`.
        """
        if not self._declaring.acquire(timeout=-1 if patient else _DECLARING_SECONDS):
            raise BackendUnavailable("Others are declaring things, one after the other: send it again.")
        try:
            yield
        finally:
            self._declaring.release()

    @property
    def declarations(self) -> Declarations:
        """As they stand now. Raises InvalidDeclarations."""
        from asgard_pipelines.project import load

        return load(self.settings)

    @cached_property
    def lakehouse(self) -> Lakehouse:
        from asgard_pipelines.lakehouse import Lakehouse

        return Lakehouse(self.settings)

    @cached_property
    def registry(self) -> ModelRegistry:
        from asgard_pipelines.models import ModelRegistry

        return ModelRegistry(self.settings)

    @cached_property
    def runs(self) -> RunClient:
        from asgard_pipelines.graph import RunClient

        return RunClient(self.settings, self.lakehouse, self.dagster)

    @cached_property
    def online(self) -> OnlinePredictions:
        from asgard_pipelines.predictions import OnlinePredictions

        return OnlinePredictions(self.settings, self.registry)

    def forget_declarations(self) -> None:
        """What is held of them is looked at anew by who comes next. From any thread."""
        self.held_reads.forget()

    @cached_property
    def pushes(self) -> Pushes:
        from asgard_pipelines.features.online import online_store
        from asgard_pipelines.features.push.pushes import Pushes

        return Pushes(self.settings, online_store(self.settings))

    def close(self) -> None:
        """Once what was submitted is done."""
        if "pushes" in self.__dict__:
            self.pushes.close()

    @property
    def dagster(self) -> str:
        """The address of Dagster's webserver."""
        return f"http://127.0.0.1:{self.settings.dagster_port}"

    def publish(self, tasks: BackgroundTasks, changed: bool) -> None:
        """Tells Feast's registry at once of changed declarations, and Dagster after the answer."""
        if changed:
            from asgard_pipelines.features import apply

            apply(self.settings)
            self.forget_declarations()
            tasks.add_task(self.reload)

    async def catch_up(self) -> None:
        """What a server that died may have left: pushes that were acknowledged and did not get online, and
        declarations over REST that Dagster was not told of."""
        await asyncio.gather(asyncio.to_thread(self._tell_dagster), self._recover_pushes())

    def _tell_dagster(self) -> None:
        if made(self.settings):
            self.reload()

    async def _recover_pushes(self) -> None:
        """The online store may be the last of the house to answer."""
        while True:
            try:
                if await asyncio.to_thread(waiting_rows, self.settings):
                    await asyncio.to_thread(lambda: self.pushes.recover(self.declarations))
            except BackendUnavailable as error:
                _log.warning("what was pushed before is not online yet: %s", error.message)
                await asyncio.sleep(_RECOVERING_SECONDS)
            else:
                return

    def reload(self) -> None:
        """Dagster loads its definitions anew; where none is running there is nothing to tell."""
        try:
            problem = self.runs.reloading.reload()
        except OSError:
            _log.info("no Dagster webserver answers: it will read the declarations when it starts")
            return
        if problem:
            _log.error("Dagster could not load the declarations: %s", problem)
