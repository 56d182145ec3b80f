"""Models held in memory: verified once when they are loaded, loaded again when their alias moves."""

from __future__ import annotations

import time
from collections import OrderedDict
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
    """Safe to use from several threads."""

    def __init__(self, settings: Settings, registry: ModelRegistry) -> None:
        self._settings, self._registry = settings, registry
        self._lock = Lock()
        self._found: dict[str, tuple[float, ModelVersion]] = {}
        self._loaded: OrderedDict[str, Predictor] = OrderedDict()

    def get(self, model_id: str) -> Predictor:
        """The model named by `NAME_VERSION`, `NAME@ALIAS` or `NAME` (its champion).

        Raises:
            ModelNotFound
            Untrusted: its artefact has not the bytes that were registered.
        """
        version = self._version(model_id)
        with self._lock:
            predictor = self._loaded.get(version.model_id)
            if predictor is None:
                predictor = load_predictor(self._settings, version, threads=1)
                self._loaded[version.model_id] = predictor
            self._loaded.move_to_end(version.model_id)
            while len(self._loaded) > _MOST:
                self._loaded.popitem(last=False)
        return replace(predictor, version=version)  # its aliases as they are now

    def forget_names(self) -> None:
        """An alias has moved: look at once."""
        self._found = {}

    def _version(self, model_id: str) -> ModelVersion:
        at, version = self._found.get(model_id, (0.0, None))
        if version is None or time.monotonic() - at > _SECONDS:
            version = self._registry.find(model_id)
            if len(self._found) > 1000:
                self.forget_names()
            self._found[model_id] = (time.monotonic(), version)
        return version
