"""Telling Dagster of changed declarations: those who ask while it loads share the load that comes next."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from asgard_pipelines.graph.webserver import reload_location


class Reloading:
    """Of one webserver, for all threads of this process.

    A load takes seconds, and reads what stands when it begins: who asks during one gets the outcome of the
    next, however many they are.
    """

    def __init__(self, dagster: str, load: Callable[[str], str | None] = reload_location) -> None:
        self._dagster, self._load = dagster, load
        self._counting, self._loading = Lock(), Lock()
        self._asked = self._done = 0
        self._outcome: str | OSError | None = None

    def reload(self) -> str | None:
        """Why the definitions could not be loaded; None when they were.

        Raises:
            OSError: nothing answers.
        """
        with self._counting:
            self._asked += 1
            mine = self._asked
        with self._loading:
            if self._done < mine:
                with self._counting:
                    reached = self._asked
                try:
                    self._outcome = self._load(self._dagster)
                except OSError as error:
                    self._outcome = error
                self._done = reached
            if isinstance(self._outcome, OSError):
                raise self._outcome
            return self._outcome
