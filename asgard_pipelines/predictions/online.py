"""Predicting some rows at once, from features that are sent or from those in the online store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from asgard_pipelines.declarations import Declarations, FeatureRef
from asgard_pipelines.errors import Conflict, Invalid
from asgard_pipelines.models import ModelRegistry, ModelVersion
from asgard_pipelines.predictions.given_features import given_rows
from asgard_pipelines.predictions.loaded_models import LoadedModels
from asgard_pipelines.settings import Settings
from asgard_pipelines.training import Predictor, Scores, trained_features

if TYPE_CHECKING:
    from asgard_pipelines.features import OnlineReads


@dataclass(frozen=True)
class OnlinePrediction:
    """`prediction`, `label` and `probabilities` as in a prediction table; of two classes both have one.

    `features` are the values that were used; `status` (of a read from the online store) says per view
    whether it had the entity: found, missing or expired. Where no view had it, nothing is predicted.
    """

    prediction: Any
    label: Any | None
    probabilities: dict[str, float] | None
    features: dict[str, Any]
    status: dict[str, str] | None = None

    @property
    def made(self) -> bool:
        return self.status is None or "found" in self.status.values()


@dataclass(frozen=True)
class OnlineResult:
    """One prediction for each row, in the rows' order, all by one version."""

    version: ModelVersion
    rows: list[OnlinePrediction]


class OnlinePredictions:
    """Holds the models that were asked for. Safe to use from several threads."""

    def __init__(self, settings: Settings, registry: ModelRegistry) -> None:
        self._settings = settings
        self.models = LoadedModels(settings, registry)
        self._refs: dict[str, list[FeatureRef]] = {}

    def of_features(self, model_id: str, rows: Sequence[Mapping[str, Any]]) -> OnlineResult:
        """
        Raises:
            ModelNotFound, Untrusted
            Conflict: the version is deprecated.
            Invalid: features are missing, or are none of the model's; all of a row are named.
            TypeMismatch: a value of another type.
        """
        predictor = self._loaded(model_id)
        made = _predicted(predictor, given_rows(predictor.inputs, rows))
        return OnlineResult(predictor.version, made)

    def of_entities(
        self, model_id: str, entities: Sequence[Mapping[str, Any]], declarations: Declarations
    ) -> OnlineResult:
        """The features that the model was trained on, as they are in the online store now.

        Raises:
            ModelNotFound, Untrusted, FeatureViewNotFound, TypeMismatch
            Conflict: the version is deprecated.
            Invalid: a view is not online, entities are missing or unknown, or no view has a value for any.
        """
        predictor = self._loaded(model_id)
        version = predictor.version
        if version.model_id not in self._refs:
            self._refs[version.model_id] = trained_features(self._settings, version)
        read = self._reads.read(declarations, self._refs[version.model_id], entities)
        made = [
            replace(one, status=dict(status))
            for one, status in zip(_predicted(predictor, read.rows), read.status, strict=True)
        ]
        if not any(one.made for one in made):
            told = ", ".join(f"{view}: {status}" for view, status in read.status[0].items())
            raise Invalid(
                f"The online store has no features of these entities ({told}).", feature_status=read.status[0]
            )
        return OnlineResult(version, [one if one.made else _nothing(one) for one in made])

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


def _predicted(predictor: Predictor, rows: pa.Table) -> list[OnlinePrediction]:
    scores = predictor.predict(rows)
    predictions = scores.prediction.to_pylist()
    labels = [None] * len(predictions) if scores.label is None else scores.label.to_pylist()
    return [
        OnlinePrediction(prediction, label, probabilities, features)
        for prediction, label, probabilities, features in zip(
            predictions,
            labels,
            _probabilities(predictor, scores),
            rows.select(list(predictor.inputs)).to_pylist(),
            strict=True,
        )
    ]


def _probabilities(predictor: Predictor, scores: Scores) -> list[dict[str, float] | None]:
    """Of each row, by class."""
    if scores.probabilities is not None:
        return [dict(one) for one in scores.probabilities.to_pylist()]
    signature = predictor.signature
    if not signature.binary:
        return [None] * len(scores.prediction)
    of_class = {_called(one): one == signature.positive_label for one in signature.classes}
    return [
        {name: share if positive else 1 - share for name, positive in of_class.items()}
        for share in scores.prediction.to_pylist()
    ]


def _nothing(made: OnlinePrediction) -> OnlinePrediction:
    return replace(made, prediction=None, label=None, probabilities=None)


def _called(one: bool | int | str) -> str:
    return json.dumps(one) if isinstance(one, bool) else str(one)
