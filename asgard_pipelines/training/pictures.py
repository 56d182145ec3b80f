"""Small pictures of a trained model, as PNG: how it errs and what it looks at."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, roc_curve

from asgard_pipelines.training.evaluation import Metrics, chosen
from asgard_pipelines.training.signature import Signature

_BLUE, _RED, _GREY = "#2f6f9f", "#c0504d", "#9aa5b1"
_MOST_POINTS = 1500
_MOST_BARS = 15
_MOST_CELLS = 12
_MOST_CURVES = 6


def pictures(
    signature: Signature,
    target: NDArray[np.float64],
    scores: NDArray[np.float64],
    metrics: Metrics,
    importances: Mapping[str, float],
) -> dict[str, bytes]:
    """Name -> PNG, of the test rows: `roc` and `confusion`, or `predicted` and `residuals`; `importances`."""
    if signature.classes:
        codes = target.astype(np.int64)
        drawn = {
            "roc": _roc(signature, codes, scores, metrics),
            "confusion": _confusion(signature, codes, scores),
        }
    else:
        drawn = {"predicted": _predicted(target, scores, metrics), "residuals": _residuals(target, scores)}
    return {name: _png(figure) for name, figure in {**drawn, "importances": _bars(importances)}.items()}


def _figure(title: str, across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5, 4), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11, loc="left", color="#22303c")
    axes.set_xlabel(across, fontsize=9)
    axes.set_ylabel(up, fontsize=9)
    axes.tick_params(labelsize=8, color=_GREY)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_GREY)
    return figure, axes


def _png(figure: Figure) -> bytes:
    data = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()


def _roc(
    signature: Signature, codes: NDArray[np.int64], scores: NDArray[np.float64], metrics: Metrics
) -> Figure:
    area = f": area {metrics['roc_auc']:.3f}" if "roc_auc" in metrics else ""
    figure, axes = _figure(f"ROC on the test rows{area}", "False positive rate", "True positive rate")
    asked = [signature.positive] if signature.binary else list(range(len(signature.classes)))[:_MOST_CURVES]
    for one in asked:
        if 0 < np.sum(codes == one) < len(codes):
            false, true, _ = roc_curve(codes == one, scores[:, one])
            color = _BLUE if signature.binary else None
            axes.plot(false, true, color=color, linewidth=1.8, label=str(signature.classes[one]))
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle=":")
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    if not signature.binary:
        axes.legend(fontsize=8, frameon=False)
    return figure


def _confusion(signature: Signature, codes: NDArray[np.int64], scores: NDArray[np.float64]) -> Figure:
    """Rows per true and predicted class; of many classes the most frequent."""
    count = len(signature.classes)
    frequent = np.argsort(-np.bincount(codes[codes >= 0], minlength=count), kind="stable")
    shown = np.sort(frequent[:_MOST_CELLS])
    cells = np.zeros((len(shown), len(shown)), dtype=int)
    if np.isin(codes, shown).any():
        cells = confusion_matrix(codes, chosen(signature, scores), labels=shown)
    figure, axes = _figure("Confusion on the test rows", "Predicted", "True")
    shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(cells):
        light = "white" if shares[row, column] > 0.5 else "#22303c"
        axes.text(column, row, f"{value:,}", ha="center", va="center", fontsize=8, color=light)
    names = [str(signature.classes[one]) for one in shown]
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    return figure


def _sample(count: int) -> NDArray[np.int64]:
    return np.linspace(0, count - 1, min(count, _MOST_POINTS)).astype(np.int64)


def _predicted(target: NDArray[np.float64], scores: NDArray[np.float64], metrics: Metrics) -> Figure:
    title = f"Predicted and actual on the test rows: RMSE {metrics['rmse']:.4g}"
    figure, axes = _figure(title, "Actual", "Predicted")
    some = _sample(len(target))
    axes.scatter(target[some], scores[some], s=9, color=_BLUE, alpha=0.4, linewidths=0)
    ends = [min(target.min(), scores.min()), max(target.max(), scores.max())]
    axes.plot(ends, ends, color=_GREY, linewidth=1, linestyle=":")
    return figure


def _residuals(target: NDArray[np.float64], scores: NDArray[np.float64]) -> Figure:
    figure, axes = _figure("Residuals on the test rows", "Predicted - actual", "Rows")
    axes.hist(scores - target, bins=40, color=_BLUE)
    axes.axvline(0, color=_RED, linewidth=1)
    return figure


def _bars(importances: Mapping[str, float]) -> Figure:
    top = list(importances.items())[:_MOST_BARS][::-1]
    figure, axes = _figure("Importance of the features", "Share", "")
    axes.barh([name for name, _ in top], [share for _, share in top], color=_BLUE, height=0.65)
    return figure
