"""What is done for a request about models."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from asgard_pipelines.api.asked_runs import AskedRun, Declaring, once_loaded
from asgard_pipelines.api.house import House
from asgard_pipelines.api.model_answers import ShownModel, listed_model
from asgard_pipelines.declarations import Declarations, ModelBody, fingerprint
from asgard_pipelines.errors import Conflict, ModelNotFound, did_you_mean
from asgard_pipelines.models import CHAMPION, ModelVersion
from asgard_pipelines.state import last_election


@dataclass(frozen=True)
class AskedTraining:
    """`run` is under way if anything was `due`, else the one that trained last."""

    run: AskedRun
    due: bool
    declarations: Declarations


def ask_training(house: House, body: ModelBody, author: str, *, replacing: bool) -> AskedTraining:
    """Declares the model, unless it stands as sent, and asks for its training.

    Raises:
        BackendUnavailable: Dagster does not run; nothing was changed.
        Conflict: another model has the name, and `replacing` is off, or it is the repo's.
    """
    house.runs.require_running()
    declaring = _declared(house, body, author, replacing=replacing)
    declarations = house.declarations
    last = last_election(house.settings, body.name)
    proven = last is not None and last.declaration == fingerprint(declarations.model(body.name))
    declaring = replace(declaring, proven=proven)
    run_id = once_loaded(house, declaring, lambda: house.runs.train(declarations, body.name, author))
    if run_id is not None:
        return AskedTraining(AskedRun(run_id, declaring), True, declarations)
    trained = last_election(house.settings, body.name)  # it may have ended since `last` was looked up
    assert trained is not None  # what was never trained is due
    return AskedTraining(AskedRun(trained.run_id, declaring), False, declarations)


def _declared(house: House, body: ModelBody, author: str, *, replacing: bool) -> Declaring:
    from asgard_pipelines.project import Wanted, put, settle_model, standing

    sent = body.model_dump(mode="json", exclude_defaults=True)  # the same when fields are added one day
    with house.declaring():
        before = standing(house.settings, "model", body.name)
        if before is not None and before.sent == sent:
            return Declaring(before, False, author)  # as it was settled then, whatever stands now
        declarations = house.declarations
        if before is None:
            _free(declarations, body.name)
        model = settle_model(body, declarations, house.lakehouse)
        made, changed = put(house.settings, [Wanted("model", model, sent)], author, replace=replacing)
        return Declaring(made[0], changed, author)


def _free(declarations: Declarations, name: str) -> None:
    for resolved in declarations.models:
        if resolved.model.name == name:
            raise Conflict(
                f"Model '{name}' is declared in {resolved.model.where.file}: change it there.", name=name
            )


def show_model(house: House, model_id: str) -> ShownModel:
    """Raises ModelNotFound."""
    from asgard_pipelines.project import needed_by
    from asgard_pipelines.training import importances

    declarations = house.declarations
    declared = {one.model.name: one for one in declarations.models}
    versions = house.registry.versions(model_id) if model_id.isidentifier() else []
    if model_id not in declared and not versions:
        versions = [_version(house, model_id, declared)]
    name = versions[0].model if versions else model_id
    resolved = declared.get(name)
    chosen = next((one for one in versions if CHAMPION in one.aliases), versions[0] if versions else None)
    listed = listed_model(house, declarations, name, versions)
    return ShownModel(
        **listed.model_dump(),
        feature_importance=importances(house.settings, chosen) if chosen else {},
        source=resolved.source if resolved else None,
        label_column=resolved.model.training_data.label_column if resolved else None,
        features=[f"{ref.view}:{ref.feature}" for ref in resolved.features] if resolved else [],
        needed_by=needed_by(declarations, "model", name),
    )


def _version(house: House, model_id: str, known: Collection[str]) -> ModelVersion:
    """Raises ModelNotFound, that knows declared models too."""
    try:
        return house.registry.find(model_id)
    except ModelNotFound as error:
        ids = [*error.details.get("available_models", []), *known]
        raise ModelNotFound(
            f"Model '{model_id}' not found.{did_you_mean(model_id, ids)}", available_models=sorted(set(ids))
        ) from None


def end(house: House, model_id: str, author: str) -> Literal["deleted", "deprecated"]:
    """Raises ModelNotFound, Conflict."""
    from asgard_pipelines.project import end_model

    with house.declaring():
        ended = end_model(house.settings, house.registry, house.declarations, model_id, author)
    house.online.models.forget_names()
    return ended


def promote(house: House, name: str, model_id: str, alias: str, author: str) -> ModelVersion:
    """Raises ModelNotFound, Conflict, Invalid."""
    from asgard_pipelines.graph import promote_named

    promoted = promote_named(
        house.settings, house.declarations, name, model_id, alias, f"{author}, over REST"
    )
    house.online.models.forget_names()
    return promoted


def back(house: House, name: str, author: str) -> ModelVersion:
    """Raises ModelNotFound; Conflict: there was no champion before."""
    from asgard_pipelines.graph import roll_back

    promoted = roll_back(house.settings, house.declarations, name, f"{author}, over REST")
    house.online.models.forget_names()
    return promoted
