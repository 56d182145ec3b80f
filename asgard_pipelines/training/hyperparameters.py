"""Hyperparameters checked by name, type and range before anything is fitted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from asgard_pipelines.declarations import Candidate, Framework, Model, ModelType
from asgard_pipelines.errors import Invalid, did_you_mean
from asgard_pipelines.training.frameworks import FRAMEWORKS, Algorithm, FrameworkModule
from asgard_pipelines.training.frameworks.parameters import Number

_BALANCED = ("balanced", "balanced_subsample")
_SEED = Number(0, 2**31 - 1, whole=True)
_COMMON = frozenset({"random_state", "n_jobs", "class_weight"})


@dataclass(frozen=True)
class Recipe:
    """A candidate with every choice made. `threads` is None when the settings decide."""

    framework: FrameworkModule
    algorithm: Algorithm
    params: dict[str, Any]
    seed: int
    balanced: bool
    threads: int | None

    def filled(self, rows: int) -> dict[str, Any]:
        """The hyperparameters with our defaults, for fitting on so many rows."""
        return {**self.algorithm.defaults(self.params, rows), **self.params}


@dataclass(frozen=True)
class Trouble:
    """`field` is a path from the candidate: `hyperparameters.params.max_dept`."""

    field: str
    message: str


def check_hyperparameters(model: Model) -> None:
    """Check every candidate of `model` without fitting; imports the frameworks that it names.

    Raises:
        Invalid: with all that is wrong, one line each; `details["problems"]` lists
            `{"field", "message"}`, the field as a path from the model.
    """
    problems = [
        {"field": _place(model, candidate) + trouble.field, "message": trouble.message}
        for candidate in model.all_candidates
        for trouble in _troubles(candidate, model.model_type)
    ]
    if problems:
        raise Invalid("\n".join(problem["message"] for problem in problems), problems=problems)


def recipe(model: Model, candidate: Candidate) -> Recipe:
    """The candidate as it will be fitted.

    Raises:
        Invalid: hyperparameters that the estimator does not take.
    """
    troubles = list(_troubles(candidate, model.model_type))
    if troubles:
        raise Invalid("\n".join(one.message for one in troubles), problems=[vars(one) for one in troubles])
    framework = FRAMEWORKS[candidate.framework]()
    given = dict(candidate.hyperparameters.params)
    seed, threads = given.pop("random_state", None), given.pop("n_jobs", None)
    weight = given.pop("class_weight", None)
    if weight == "balanced_subsample":
        given["class_weight"] = weight
    return Recipe(
        framework=framework,
        algorithm=framework.algorithms(model.model_type)[
            candidate.hyperparameters.estimator or framework.DEFAULT
        ],
        params=given,
        seed=model.seed if seed is None else seed,
        balanced=weight == "balanced",
        threads=None if threads in (None, -1) else threads,
    )


def _place(model: Model, candidate: Candidate) -> str:
    return f"candidates.{candidate.name}." if model.candidates else ""


def _troubles(candidate: Candidate, model_type: ModelType) -> Iterator[Trouble]:
    framework = FRAMEWORKS[candidate.framework]()
    algorithms = framework.algorithms(model_type)
    estimator = candidate.hyperparameters.estimator or framework.DEFAULT
    if estimator not in algorithms:
        yield Trouble("hyperparameters.estimator", _unknown_estimator(candidate, estimator, model_type))
        return
    algorithm = algorithms[estimator]
    for name, value in candidate.hyperparameters.params.items():
        why = _problem(candidate, framework, algorithm, model_type, name, value)
        if why:
            yield Trouble(f"hyperparameters.params.{name}", why)


def _unknown_estimator(candidate: Candidate, estimator: str, model_type: ModelType) -> str:
    known = FRAMEWORKS[candidate.framework]().algorithms(model_type)
    start = f"{candidate.framework} has no estimator '{estimator}'"
    for other in FRAMEWORKS:
        if other != candidate.framework and estimator in FRAMEWORKS[other]().algorithms(model_type):
            return f"{start}: it is one of `framework: {other}`."
    return f"{start}, only {', '.join(known)}.{did_you_mean(estimator, known)}"


def _problem(
    candidate: Candidate,
    framework: FrameworkModule,
    algorithm: Algorithm,
    model_type: ModelType,
    name: str,
    value: object,
) -> str | None:
    called = f"'{name}' of {_called(candidate.framework, algorithm)}"
    if name in _COMMON:
        why = _common_problem(algorithm, model_type, name, value)
    elif name in algorithm.known():
        why = algorithm.problem(name, value)
    else:
        return _unknown(candidate, framework, algorithm, model_type, name)
    return f"{called} {why}." if why else None


def _common_problem(algorithm: Algorithm, model_type: ModelType, name: str, value: object) -> str | None:
    if value is None:
        return None
    if name == "random_state":
        return _SEED.problem(value)
    if name == "n_jobs":
        return None if value == -1 else Number(1, whole=True).problem(value)
    if model_type == "regression":
        return "weighs classes, and a regression has none"
    allowed = _BALANCED if algorithm.name == "RandomForest" else _BALANCED[:1]
    return None if value in allowed else f"takes {' or '.join(allowed)}, not {value!r}"


def _unknown(
    candidate: Candidate,
    framework: FrameworkModule,
    algorithm: Algorithm,
    model_type: ModelType,
    name: str,
) -> str:
    start = f"{_called(candidate.framework, algorithm)} does not take '{name}'"
    if name in framework.OTHER_NAMES:
        return f"{start}: give it as '{framework.OTHER_NAMES[name]}'."
    takers = _takers(name, model_type)
    if takers:
        return f"{start}; {' and '.join(takers)} would."
    known = algorithm.known() | _COMMON
    return f"{start}.{did_you_mean(name, known) or ' It takes ' + ', '.join(sorted(known)) + '.'}"


def _takers(name: str, model_type: ModelType) -> list[str]:
    """The estimators that take `name`; imports every framework, so only for a message."""
    return [
        _called(framework, algorithm)
        for framework in FRAMEWORKS
        for algorithm in FRAMEWORKS[framework]().algorithms(model_type).values()
        if name in algorithm.known()
    ]


def _called(framework: Framework, algorithm: Algorithm) -> str:
    return algorithm.name if framework != "sklearn" else f"sklearn's {algorithm.name}"
