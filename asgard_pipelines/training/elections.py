"""Electing the version that predicts: every candidate and the champion on the same pinned test rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from asgard_pipelines.declarations import ResolvedModel
from asgard_pipelines.errors import ColumnNotFound, Invalid, TypeMismatch
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.models import ModelRegistry, ModelVersion
from asgard_pipelines.settings import Settings
from asgard_pipelines.training.candidates import target_of
from asgard_pipelines.training.election import Election
from asgard_pipelines.training.evaluation import Metrics, election_metric, evaluate, higher_is_better
from asgard_pipelines.training.inputs import check_inputs
from asgard_pipelines.training.predictor import Predictor, load_predictor
from asgard_pipelines.training.signature import Signature
from asgard_pipelines.training.training_rows import training_rows
from asgard_pipelines.training.training_set import TrainingSet


def elect(
    settings: Settings,
    lakehouse: Lakehouse,
    resolved: ResolvedModel,
    training_set: TrainingSet,
    versions: Sequence[ModelVersion],
) -> Election:
    """The best of `versions` challenges the champion, and gets the alias only if it is better.

    All are judged again on the test rows of `training_set`: binary by roc_auc (log_loss where the test
    rows have one class), multiclass by log_loss, regression by rmse. The first of equal candidates
    wins; against an equal challenger the champion stays. Electing again changes nothing.

    Raises:
        Invalid: no versions.
        Untrusted: an artefact that is not what was registered.
    """
    if not versions:
        raise Invalid(f"No candidate of '{resolved.model.name}' was trained.", model=resolved.model.name)
    registry = ModelRegistry(settings)
    champion = registry.champion(resolved.model.name)
    rows = training_rows(lakehouse, resolved, training_set, "test")
    judged = {version.version: _judged(load_predictor(settings, version), rows) for version in versions}
    signature, metrics = judged[versions[0].version]
    metric = election_metric(signature, metrics)
    scores = {name: metrics[metric] for name, (_, metrics) in judged.items()}
    challenger = best_version(versions, scores, metric)
    if champion is None:
        reason = f"{_named(challenger, scores, metric)} is the first champion."
        return _election(registry.promote(challenger), None, True, reason, metric, scores)
    if champion.version not in scores:
        predictor = load_predictor(settings, champion)
        unfit = _unfit(predictor.signature, signature, rows)
        if unfit:
            reason = f"{_named(challenger, scores, metric)} replaces {champion.model_id}, which {unfit}."
            return _election(registry.promote(challenger), champion, True, reason, metric, scores)
        scores[champion.version] = _judged(predictor, rows)[1][metric]
    won = _beats(scores[challenger.version], scores[champion.version], metric)
    reason = _contest(champion, challenger, scores, metric, training_set)
    elected = registry.promote(challenger) if won else champion
    return _election(elected, champion, won, reason, metric, scores)


def _election(
    elected: ModelVersion,
    previous: ModelVersion | None,
    promoted: bool,
    reason: str,
    metric: str,
    scores: dict[str, float],
) -> Election:
    return Election(
        elected=elected, previous=previous, promoted=promoted, reason=reason, metric=metric, scores=scores
    )


def _judged(predictor: Predictor, rows: pa.Table) -> tuple[Signature, Metrics]:
    signature = predictor.signature
    return signature, evaluate(signature, target_of(signature, rows), predictor.fitted.scores(rows))


def best_version(versions: Sequence[ModelVersion], scores: dict[str, float], metric: str) -> ModelVersion:
    """The one with the best score by that metric; the first of equals."""
    sign = 1 if higher_is_better(metric) else -1
    return max(versions, key=lambda version: sign * scores[version.version])


def _beats(challenger: float, champion: float, metric: str) -> bool:
    return challenger > champion if higher_is_better(metric) else challenger < champion


def _unfit(theirs: Signature, ours: Signature, rows: pa.Table) -> str | None:
    """Why the champion cannot be judged on these rows, nor predict what is asked now."""
    try:
        check_inputs(rows, theirs.inputs)
    except (ColumnNotFound, TypeMismatch) as error:
        return f"takes other inputs than the model has now ({error.message.rstrip('.')})"
    added = sorted({one.name for one in ours.inputs} - {one.name for one in theirs.inputs})
    if added:
        return f"does not take what the model takes now: {', '.join(added)}"
    if (ours.label, ours.model_type) != (theirs.label, theirs.model_type):
        return f"predicts '{theirs.label}' ({theirs.model_type}), and the model now '{ours.label}'"
    if ours.classes != theirs.classes or ours.positive_label != theirs.positive_label:
        return "knows other classes than the training rows have now"
    return None


def _named(version: ModelVersion, scores: dict[str, float], metric: str) -> str:
    return f"{version.candidate} {version.model_id} ({metric} {scores[version.version]:.4f})"


def _contest(
    champion: ModelVersion,
    challenger: ModelVersion,
    scores: dict[str, float],
    metric: str,
    training_set: TrainingSet,
) -> str:
    there = f"on the {training_set.test_rows:,} test rows"
    if challenger.version == champion.version:
        return f"{_named(champion, scores, metric)} is the champion already and the best {there}."
    won = _beats(scores[challenger.version], scores[champion.version], metric)
    verb = "beats" if won else "does not beat"
    return (
        f"{_named(challenger, scores, metric)} {verb} the champion {_named(champion, scores, metric)} {there}"
        f"{_seen(champion, training_set)}."
    )


def _seen(champion: ModelVersion, training_set: TrainingSet) -> str:
    """A word of caution when the champion was trained on rows it is judged on."""
    end = champion.tags.get("asgard.train_end")
    start = training_set.test_start
    if end is None or start is None or datetime.fromisoformat(end) < start:
        return ""
    return ", some of which the champion was trained on"
