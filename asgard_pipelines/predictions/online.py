"""Predicting one row at once, from features that are sent or from those in the online store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from asgard_pipelines.declarations import Declarations, FeatureRef
from asgard_pipelines.errors import Conflict, Invalid
from asgard_pipelines.models import ModelRegistry, ModelVersion
from asgard_pipelines.predictions.given_features import given_row
from asgard_pipelines.predictions.loaded_models import LoadedModels
from asgard_pipelines.settings import Settings
from asgard_pipelines.training import Predictor, trained_features

if TYPE_CHECKING:
    from asgard_pipelines.features import OnlineReads


@dataclass(frozen=True)
class OnlinePrediction:
    """`prediction`, `label` and `probabilities` as in a prediction table; of two classes both have one.

    `features` are the values that were used; `status` (of a read from the online store) says per view
    whether it had the entity: found, missing or expired.
    """

    version: ModelVersion
    prediction: Any
    label: Any | None
    probabilities: dict[str, float] | None
    features: dict[str, Any]
    status: dict[str, str] | None = None


class OnlinePredictions:
    """Holds the models that were asked for. Safe to use from several threads."""

    def __init__(self, settings: Settings, registry: ModelRegistry) -> None:
        self._settings = settings
        self.models = LoadedModels(settings, registry)
        self._refs: dict[str, list[FeatureRef]] = {}

    def of_features(self, model_id: str, features: Mapping[str, Any]) -> OnlinePrediction:
        """
        Raises:
            ModelNotFound, Untrusted
            Conflict: the version is deprecated.
            Invalid: features are missing, or are none of the model's; all are named.
            TypeMismatch: a value of another type.
        """
        predictor = self._loaded(model_id)
        return _predicted(predictor, given_row(predictor.inputs, features))

    def of_entities(
        self, model_id: str, entities: Mapping[str, Any], declarations: Declarations
    ) -> OnlinePrediction:
        """The features that the model was trained on, as they are in the online store now.

        Raises:
            ModelNotFound, Untrusted, FeatureViewNotFound, TypeMismatch
            Conflict: the version is deprecated.
            Invalid: a view is not online, entities are missing or unknown, or no view has a value for them.
        """
        predictor = self._loaded(model_id)
        version = predictor.version
        if version.model_id not in self._refs:
            self._refs[version.model_id] = trained_features(self._settings, version)
        read = self._reads.read(declarations, self._refs[version.model_id], entities)
        if "found" not in read.status.values():
            told = ", ".join(f"{view}: {status}" for view, status in read.status.items())
            raise Invalid(
                f"The online store has no features of these entities ({told}).", feature_status=read.status
            )
        return _predicted(predictor, read.row, dict(read.status))

    @cached_property
    def _reads(self) -> OnlineReads:
        from asgard_pipelines.features import OnlineReads  # imports Feast

        return OnlineReads(self._settings)

    def _loaded(self, model_id: str) -> Predictor:
        predictor = self.models.get(model_id)
        if predictor.version.deprecated:
            raise Conflict(
                f"'{predictor.version.model_id}' is deprecated.", model_id=predictor.version.model_id
            )
        return predictor


def _predicted(predictor: Predictor, row: pa.Table, status: dict[str, str] | None = None) -> OnlinePrediction:
    scores = predictor.predict(row)
    prediction = scores.prediction[0].as_py()
    probabilities = None
    if scores.probabilities is not None:
        probabilities = dict(scores.probabilities[0].as_py())
    elif predictor.signature.binary:
        shares = {True: prediction, False: 1 - prediction}
        positive = predictor.signature.positive_label
        probabilities = {_called(one): shares[one == positive] for one in predictor.signature.classes}
    return OnlinePrediction(
        version=predictor.version,
        prediction=prediction,
        label=None if scores.label is None else scores.label[0].as_py(),
        probabilities=probabilities,
        features={name: row[name][0].as_py() for name in predictor.inputs},
        status=status,
    )


def _called(one: bool | int | str) -> str:
    return json.dumps(one) if isinstance(one, bool) else str(one)
