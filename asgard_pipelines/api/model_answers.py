"""Models as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from asgard_pipelines.api.house import House
from asgard_pipelines.declarations import Declarations, Deprecation
from asgard_pipelines.models import CHAMPION, ModelVersion

Status = Literal["completed", "running", "declared", "deprecated"]


class ShownVersion(BaseModel):
    """One trained version. Metrics are accuracy, precision, recall, f1_score, roc_auc and log_loss of a
    classification; mse, rmse, mae and r2_score of a regression."""

    model_id: str
    version: str
    framework: str
    model_type: str
    candidate: str
    training_metrics: dict[str, float]
    test_metrics: dict[str, float]
    created_at: datetime
    training_duration_seconds: float | None
    aliases: list[str]
    status: Literal["completed", "deprecated"]


class TrainedModel(ShownVersion):
    """What a training gives: the version, the share that each feature has in it, and how it was elected."""

    name: str
    model_name: str
    feature_importance: dict[str, float]
    run_id: str
    """Of the run that trained it."""
    promoted: bool
    """Whether it became the champion."""
    reason: str
    """Why, or why not."""
    warnings: list[str]
    """What is deprecated: the model, or a view that it learns from."""


class RunningTraining(BaseModel):
    """`model_id` is the model's name: it means its champion wherever a model is named."""

    model_id: str
    name: str
    model_name: str
    status: Literal["running"] = "running"
    run_id: str
    warnings: list[str]


class ListedModel(BaseModel):
    """A model: its champion's fields, null before it has one, and all of its versions, newest first.

    `status`: completed with a champion; running while its first version is trained; declared before that;
    deprecated when somebody said so, or when its
    declaration has ended.
    """

    name: str
    model_name: str
    model_id: str | None
    version: str | None
    framework: str | None
    model_type: str | None
    training_metrics: dict[str, float]
    test_metrics: dict[str, float]
    created_at: datetime | None
    training_duration_seconds: float | None
    status: Status
    description: str
    deprecated: Deprecation | None
    warnings: list[str]
    """What is deprecated: the model, or a view that it learns from."""
    declared_in: str | None
    """A file of the repo, or the route over which it was declared; null when it is declared no more."""
    versions: list[ShownVersion]


class ShownModel(ListedModel):
    """One model, or one version of it, with what it learns from."""

    feature_importance: dict[str, float]
    source: str | None
    """The table of the rows that it learns from."""
    label_column: str | None
    features: list[str]
    """Each as `view:feature`."""
    needed_by: list[str]
    """Prediction tables that name it."""


def shown_version(version: ModelVersion) -> ShownVersion:
    return ShownVersion(
        model_id=version.model_id,
        version=version.version,
        framework=version.framework,
        model_type=version.model_type,
        candidate=version.candidate,
        training_metrics=_metrics(version.metrics, "train_"),
        test_metrics=_metrics(version.metrics, "test_"),
        created_at=version.created_at,
        training_duration_seconds=version.training_seconds,
        aliases=version.aliases,
        status="deprecated" if version.deprecated else "completed",
    )


def trained_model(house: House, declarations: Declarations, name: str, run_id: str) -> TrainedModel:
    """Raises NotFound: that run elected nothing."""
    from asgard_pipelines.training import importances

    version, election = house.runs.trained(declarations, name, run_id)
    version = house.registry.find(version.model_id)
    return TrainedModel(
        **shown_version(version).model_dump(),
        name=name,
        model_name=name,
        feature_importance=importances(house.settings, version),
        run_id=run_id,
        promoted=election.promoted and election.elected.version == version.version,
        reason=election.reason,
        warnings=warnings_on(declarations, name),
    )


def warnings_on(declarations: Declarations, name: str) -> list[str]:
    """What is deprecated among the model and the views that it learns from."""
    from asgard_pipelines.project import deprecated_among, used_by_model

    return deprecated_among(used_by_model(declarations, name))


def listed_models(house: House) -> list[ListedModel]:
    """All that are declared, and all that have versions, by name."""
    declarations = house.declarations
    by_model: dict[str, list[ModelVersion]] = {one.model.name: [] for one in declarations.models}
    for version in house.registry.versions():
        by_model.setdefault(version.model, []).append(version)
    return [listed_model(house, declarations, name, found) for name, found in sorted(by_model.items())]


def listed_model(
    house: House, declarations: Declarations, name: str, versions: Sequence[ModelVersion]
) -> ListedModel:
    declared = next((one.model for one in declarations.models if one.model.name == name), None)
    champion = next((version for version in versions if CHAMPION in version.aliases), None)
    shown = shown_version(champion) if champion else None
    status: Status = "completed"
    if declared is None or declared.deprecated:
        status = "deprecated"
    elif champion is None:
        status = "running" if house.runs.training_under_way(declarations, name) else "declared"
    return ListedModel(
        name=name,
        model_name=name,
        model_id=shown.model_id if shown else None,
        version=shown.version if shown else None,
        framework=shown.framework if shown else None,
        model_type=declared.model_type if declared else shown.model_type if shown else None,
        training_metrics=shown.training_metrics if shown else {},
        test_metrics=shown.test_metrics if shown else {},
        created_at=shown.created_at if shown else None,
        training_duration_seconds=shown.training_duration_seconds if shown else None,
        status=status,
        description=declared.description if declared else "",
        deprecated=declared.deprecated if declared else None,
        warnings=warnings_on(declarations, name),
        declared_in=declared.where.file if declared else None,
        versions=[shown_version(version) for version in versions],
    )


def _metrics(metrics: Mapping[str, float], prefix: str) -> dict[str, float]:
    return {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}
