"""How good scores are: the metrics of a classification or a regression."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from asgard_pipelines.training.labels import UNSEEN
from asgard_pipelines.training.signature import Signature

Metrics = dict[str, float]
_EPSILON = 1e-15


def evaluate(signature: Signature, target: NDArray[np.float64], scores: NDArray[np.float64]) -> Metrics:
    """Metrics of `scores` against `target` (class codes or values), finite numbers only.

    Classification: accuracy, precision, recall, f1_score (binary: of the positive class;
    multiclass: the mean over classes), roc_auc (multiclass: one against the rest, the mean over
    classes that are there), log_loss. What is undefined for these rows is left out. Regression:
    mse, rmse, mae, r2_score.
    """
    measure = _classification if signature.classes else _regression
    metrics = measure(signature, target, scores)
    return {name: float(value) for name, value in metrics.items() if np.isfinite(value)}


def election_metric(signature: Signature, metrics: Mapping[str, float]) -> str:
    """What a version is elected by: roc_auc, log_loss or rmse; log_loss too where one class is tested."""
    if not signature.classes:
        return "rmse"
    return "roc_auc" if signature.binary and "roc_auc" in metrics else "log_loss"


def higher_is_better(metric: str) -> bool:
    return metric not in ("log_loss", "rmse", "mse", "mae")


def _classification(
    signature: Signature, target: NDArray[np.float64], scores: NDArray[np.float64]
) -> Metrics:
    codes = target.astype(np.int64)
    guessed = chosen(signature, scores)
    if signature.binary:
        asked, average = [signature.positive], None
    else:
        asked, average = np.union1d(codes, np.arange(len(signature.classes))).tolist(), "macro"
    precision, recall, f1, _ = precision_recall_fscore_support(
        codes, guessed, labels=asked, average=average, zero_division=0.0
    )
    return {
        "accuracy": float(np.mean(codes == guessed)),
        "precision": float(np.squeeze(precision)),
        "recall": float(np.squeeze(recall)),
        "f1_score": float(np.squeeze(f1)),
        "roc_auc": _roc_auc(signature, codes, scores),
        "log_loss": _log_loss(codes, scores),
    }


def chosen(signature: Signature, scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """The code of the class chosen for each row; at exactly one half, the positive one."""
    if signature.binary:
        positive = signature.positive
        return np.where(scores[:, positive] >= 0.5, positive, 1 - positive)
    return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def _roc_auc(signature: Signature, codes: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    asked = [signature.positive] if signature.binary else list(range(len(signature.classes)))
    areas = [
        roc_auc_score(codes == one, scores[:, one]) for one in asked if 0 < np.sum(codes == one) < len(codes)
    ]
    return float(np.mean(areas)) if areas else float("nan")


def _log_loss(codes: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    given = np.where(codes == UNSEEN, 0.0, scores[np.arange(len(codes)), codes])
    return float(-np.mean(np.log(np.clip(given, _EPSILON, 1.0))))


def _regression(signature: Signature, target: NDArray[np.float64], scores: NDArray[np.float64]) -> Metrics:
    errors = scores - target
    mse = float(np.mean(errors**2))
    spread = float(np.mean((target - target.mean()) ** 2))
    return {
        "mse": mse,
        "rmse": mse**0.5,
        "mae": float(np.mean(np.abs(errors))),
        "r2_score": 1 - mse / spread if spread else float("nan"),
    }
