"""Training sets, candidates fitted on them, and the election of the version that predicts.

The only room that imports scikit-learn, XGBoost, LightGBM, skops and matplotlib; importing the
room itself, `TrainingSet` and `Election` imports none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgard_pipelines.training.candidates import Trained, importances, train_candidate
    from asgard_pipelines.training.comparison import Comparison, Side, compare
    from asgard_pipelines.training.distributions import Distribution, Shift
    from asgard_pipelines.training.election import Election
    from asgard_pipelines.training.elections import best_version, elect
    from asgard_pipelines.training.hyperparameters import check_hyperparameters
    from asgard_pipelines.training.logged_models import take_over
    from asgard_pipelines.training.predictor import Predictor, Scores, load_predictor, trained_features
    from asgard_pipelines.training.reproduction import Reproduction, reproduce
    from asgard_pipelines.training.row_matching import RowChanges
    from asgard_pipelines.training.training_set import TrainingSet
    from asgard_pipelines.training.training_sets import build_training_set, read_manifest

_EXPORTS = {
    "Comparison": "comparison",
    "Distribution": "distributions",
    "Election": "election",
    "Predictor": "predictor",
    "Reproduction": "reproduction",
    "RowChanges": "row_matching",
    "Scores": "predictor",
    "Shift": "distributions",
    "Side": "comparison",
    "Trained": "candidates",
    "TrainingSet": "training_set",
    "best_version": "elections",
    "build_training_set": "training_sets",
    "compare": "comparison",
    "check_hyperparameters": "hyperparameters",
    "elect": "elections",
    "importances": "candidates",
    "load_predictor": "predictor",
    "read_manifest": "training_sets",
    "reproduce": "reproduction",
    "take_over": "logged_models",
    "train_candidate": "candidates",
    "trained_features": "predictor",
}

__all__ = [
    "Comparison",
    "Distribution",
    "Election",
    "Predictor",
    "Reproduction",
    "RowChanges",
    "Scores",
    "Shift",
    "Side",
    "Trained",
    "TrainingSet",
    "best_version",
    "build_training_set",
    "check_hyperparameters",
    "compare",
    "elect",
    "importances",
    "load_predictor",
    "read_manifest",
    "reproduce",
    "take_over",
    "train_candidate",
    "trained_features",
]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
