"""Training one candidate: fit, keep without a pickle, read back, judge, register."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from asgard_pipelines.declarations import Candidate, Declarations, ResolvedModel
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.models import ModelRegistry, ModelVersion, Registration
from asgard_pipelines.settings import Settings
from asgard_pipelines.training.evaluation import evaluate
from asgard_pipelines.training.fitting import FittedModel, fit
from asgard_pipelines.training.hyperparameters import Recipe, recipe
from asgard_pipelines.training.labels import classes_of, codes_of, normalised, positive_label
from asgard_pipelines.training.origin import ORIGIN, Origin
from asgard_pipelines.training.signature import Class, Input, Signature
from asgard_pipelines.training.training_rows import training_rows
from asgard_pipelines.training.training_set import TrainingSet

_REVISION = 2
"""Raised when the same candidate and training set come to give another model, or are remembered otherwise."""
_IMPORTANCES = "importances.json"


@dataclass(frozen=True)
class Trained:
    """`importances`: input -> share, largest first, summing to 1. `pictures`: name -> PNG."""

    version: ModelVersion
    importances: dict[str, float]
    pictures: dict[str, bytes]


def train_candidate(
    settings: Settings,
    lakehouse: Lakehouse,
    declarations: Declarations,
    resolved: ResolvedModel,
    candidate: Candidate,
    training_set: TrainingSet,
) -> Trained:
    """Fit `candidate` on the training set and register it; the same again gives the same version.

    What is judged and registered is the model as read back from its own artefact. What it was made
    from is registered with it, so that `reproduce` can make it again.

    Raises:
        Invalid: hyperparameters that the estimator does not take, or a label that is none.
    """
    chosen = recipe(resolved.model, candidate)
    registry = ModelRegistry(settings)
    key = _key(resolved, candidate, training_set)
    known = registry.by_key(resolved.model.name, key)
    if known is not None:
        importances = json.loads(registry.artefact(known)[_IMPORTANCES])
        return Trained(known, importances, registry.pictures(known))

    started = datetime.now(UTC)
    origin = Origin.of(declarations, resolved, candidate, training_set, settings.thread_count)
    rows = {part: training_rows(lakehouse, resolved, training_set, part) for part in ("train", "test")}
    # Only the files are kept: the fitted estimator is freed before they are read back.
    files = fit_candidate(resolved, candidate, rows["train"], settings.thread_count)
    fitted = FittedModel.load(files, settings.thread_count)
    signature = fitted.signature
    targets = {part: target_of(signature, table) for part, table in rows.items()}
    scores = {part: fitted.scores(table) for part, table in rows.items()}
    metrics = {part: evaluate(signature, targets[part], scores[part]) for part in rows}
    importances = fitted.importances()
    # Matplotlib keeps a list of the machine's fonts, in the person's own folders unless told otherwise.
    os.environ.setdefault("MPLCONFIGDIR", str(settings.state_folder / "cache" / "matplotlib"))
    from asgard_pipelines.training.pictures import pictures

    drawn = pictures(signature, targets["test"], scores["test"], metrics["test"], importances)
    version = registry.register(
        Registration(
            model=resolved.model.name,
            key=key,
            candidate=candidate.name,
            framework=candidate.framework,
            model_type=resolved.model.model_type,
            files={
                **files,
                _IMPORTANCES: json.dumps(importances).encode(),
                ORIGIN: origin.model_dump_json(indent=2).encode(),
            },
            training_table=training_set.table,
            training_snapshot_id=training_set.snapshot_id,
            sources=training_set.sources,
            roots=training_set.roots,
            content_hash=training_set.content_hash,
            params={
                "framework": candidate.framework,
                "estimator": chosen.algorithm.name,
                **chosen.filled(rows["train"].num_rows),
                **({"class_weight": "balanced"} if chosen.balanced else {}),
                "random_state": chosen.seed,
            },
            metrics={f"{part}_{name}": value for part in rows for name, value in metrics[part].items()},
            inputs={one.name: one.kind for one in signature.inputs},
            pictures=drawn,
            tags={"estimator": chosen.algorithm.name, **_training_end(training_set)},
            description=resolved.model.description,
            started=started,
        )
    )
    return Trained(version, importances, drawn)


def fit_candidate(
    resolved: ResolvedModel, candidate: Candidate, train: pa.Table, threads: int
) -> dict[str, bytes]:
    """The model fitted on the training rows, as files; the same rows in the same order give the same bytes.

    Raises:
        Invalid: hyperparameters that the estimator does not take, or a label that is none.
    """
    chosen = recipe(resolved.model, candidate)
    signature = signature_of(resolved, chosen, candidate, train)
    return fit(chosen, signature, train, target_of(signature, train), threads).files()


def signature_of(resolved: ResolvedModel, chosen: Recipe, candidate: Candidate, train: pa.Table) -> Signature:
    """What a model fitted on `train` takes and gives.

    Raises:
        TypeMismatch, Invalid: a label that fits neither the model's type nor its `positive_label`.
    """
    model = resolved.model
    label = model.training_data.label_column
    classes: list[Class] = []
    if model.model_type == "classification":
        classes = classes_of(normalised(train.column(label), label, model.model_type), label)
    positive = positive_label(classes, model.positive_label, label) if len(classes) == 2 else None
    return Signature(
        framework=candidate.framework,
        estimator=chosen.algorithm.name,
        model_type=model.model_type,
        inputs=[Input(name=ref.feature, dtype=ref.dtype) for ref in resolved.features],
        label=label,
        classes=classes,
        positive_label=positive,
    )


def target_of(signature: Signature, rows: pa.Table) -> NDArray[np.float64]:
    """The rows' labels as numbers: class codes (`UNSEEN` for a class that training lacks) or values."""
    label = normalised(rows.column(signature.label), signature.label, signature.model_type)
    values = codes_of(label, signature.classes) if signature.classes else label.to_numpy()
    return np.asarray(values, dtype=np.float64)


def _key(resolved: ResolvedModel, candidate: Candidate, training_set: TrainingSet) -> str:
    model = resolved.model
    text = json.dumps(
        [
            _REVISION,
            candidate.model_dump(mode="json"),
            model.model_type,
            model.seed,
            model.positive_label,
            model.training_data.label_column,
            [ref.model_dump() for ref in resolved.features],
            training_set.table,
            training_set.snapshot_id,
        ],
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _training_end(training_set: TrainingSet) -> dict[str, str]:
    if training_set.train_end is None:
        return {}
    return {"asgard.train_end": training_set.train_end.isoformat()}


def importances(settings: Settings, version: ModelVersion) -> dict[str, float]:
    """Input -> share, largest first, summing to 1.

    Raises:
        Untrusted: the record of it has not the bytes that were registered.
    """
    found: dict[str, float] = json.loads(
        ModelRegistry(settings).artefact(version, [_IMPORTANCES])[_IMPORTANCES]
    )
    return found
