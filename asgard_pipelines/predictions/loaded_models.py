"""Models held in memory: verified once when they are loaded, loaded again when their alias moves."""

from __future__ import annotations

import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import replace
from threading import Lock

from asgard_pipelines.models import ModelRegistry, ModelVersion
from asgard_pipelines.settings import Settings
from asgard_pipelines.training import Predictor, load_predictor

_MOST = 8
"""How many are held: the one not asked for the longest goes first."""
_SECONDS = 1.0
"""How long it may take until a moved alias is noticed."""


class LoadedModels:
    """Safe to use from several threads. A version is loaded by one of them, for which the others that want
    it wait; who wants another version does not."""

    def __init__(self, settings: Settings, registry: ModelRegistry) -> None:
        self._settings, self._registry = settings, registry
        self._lock = Lock()
        self._found: dict[str, tuple[float, ModelVersion]] = {}
        self._held: OrderedDict[str, Future[Predictor]] = OrderedDict()

    def get(self, model_id: str) -> Predictor:
        """The model named by `NAME_VERSION`, `NAME@ALIAS` or `NAME` (its champion).

        Raises:
            ModelNotFound
            Untrusted: its artefact has not the bytes that were registered.
        """
        version = self._version(model_id)
        with self._lock:
            held = self._held.get(version.model_id)
            mine = held is None
            if held is None:
                held = self._held[version.model_id] = Future()
            self._held.move_to_end(version.model_id)
            while len(self._held) > _MOST:
                self._held.popitem(last=False)
        if mine:
            self._load(version, held)
        return replace(held.result(), version=version)  # its aliases as they are now

    def forget(self) -> None:
        """Nothing is held any more: what is asked for next is verified and loaded anew."""
        with self._lock:
            self._held.clear()
        self.forget_names()

    def forget_names(self) -> None:
        """An alias has moved: look at once."""
        self._found = {}

    def _load(self, version: ModelVersion, held: Future[Predictor]) -> None:
        try:
            held.set_result(load_predictor(self._settings, version, threads=1))
        except BaseException as error:
            with self._lock:  # who asks after this tries again
                if self._held.get(version.model_id) is held:
                    del self._held[version.model_id]
            held.set_exception(error)

    def _version(self, model_id: str) -> ModelVersion:
        at, version = self._found.get(model_id, (0.0, None))
        if version is None or time.monotonic() - at > _SECONDS:
            version = self._registry.find(model_id)
            if len(self._found) > 1000:
                self.forget_names()
            self._found[model_id] = (time.monotonic(), version)
        return version
