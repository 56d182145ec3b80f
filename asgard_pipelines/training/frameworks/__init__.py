"""The libraries that fit models, each behind the same two faces: an algorithm, and what it fitted.

Sibling modules have the same names in them, so that a difference between two is a diff.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asgard_pipelines.declarations import Framework, ModelType

Matrix = NDArray[np.floating]
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Needs:
    """What an algorithm asks of its matrix."""

    dtype: type[np.floating]
    complete: bool = False
    """No missing values."""
    scaled: bool = False
    """Columns of mean 0 and variance 1."""


@dataclass(frozen=True)
class Task:
    """What to fit. `params` with defaults filled in; `classes` is their number, 0 for a regression."""

    params: Mapping[str, Any]
    classes: int
    seed: int
    threads: int


class Fitted(Protocol):
    def predict(self, matrix: Matrix) -> Vector:
        """Classification: probabilities, one column per class. Regression: values."""

    def importances(self) -> Vector:
        """One per column of the matrix, not negative, on any scale."""

    def dump(self) -> bytes:
        """The estimator without a pickle; `load` of the same module reads it."""


class Algorithm(Protocol):
    """One estimator for one type of model."""

    @property
    def name(self) -> str: ...

    @property
    def needs(self) -> Needs: ...

    def known(self) -> frozenset[str]:
        """The hyperparameters it takes."""

    def problem(self, name: str, value: object) -> str | None:
        """Why `value` is not one for the known hyperparameter `name`, after "it "."""

    def defaults(self, given: Mapping[str, Any], rows: int) -> dict[str, Any]:
        """What it sets where its library's own defaults do not serve, if `given` leaves it open."""

    def fit(self, task: Task, matrix: Matrix, target: Vector, weights: Vector | None) -> Fitted:
        """Fit class codes or values.

        Raises:
            Invalid: the library refuses the hyperparameters together.
        """


class FrameworkModule(Protocol):
    FILE: str
    """The artefact's file name."""
    DEFAULT: str
    """The estimator when none is named."""
    OTHER_NAMES: Mapping[str, str]
    """Hyperparameters that the library knows by another name too: that name -> the one to give."""

    def algorithms(self, model_type: ModelType) -> Mapping[str, Algorithm]:
        """Estimator name -> algorithm."""

    def load(self, data: bytes, classes: int, threads: int) -> Fitted:
        """Raises Untrusted."""


def _module(name: str) -> Callable[[], FrameworkModule]:
    return lambda: import_module(f"{__name__}.{name}")


FRAMEWORKS: dict[Framework, Callable[[], FrameworkModule]] = {
    "sklearn": _module("sklearn"),
    "xgboost": _module("xgboost"),
    "lightgbm": _module("lightgbm"),
}
"""Framework -> loader: the library is imported only when it is asked for."""
