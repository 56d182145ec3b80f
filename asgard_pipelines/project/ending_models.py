"""Ending a model's declaration, or the use of one of its versions."""

from __future__ import annotations

from typing import Literal

from asgard_pipelines.declarations import Declarations
from asgard_pipelines.errors import Conflict, ModelNotFound
from asgard_pipelines.models import ModelRegistry
from asgard_pipelines.project.declaring import remove, standing
from asgard_pipelines.project.uses import needed_by
from asgard_pipelines.settings import Settings


def end_model(
    settings: Settings, registry: ModelRegistry, declarations: Declarations, model_id: str, author: str
) -> Literal["deleted", "deprecated"]:
    """Ends a declaration by the model's name; deprecates a version by its id or `name@alias`.

    Raises:
        ModelNotFound
        Conflict: prediction tables need it, it is the champion, or it is declared in the repo.
    """
    declared = {one.model.name: one.model for one in declarations.models}
    if model_id in declared:
        _require_unneeded(model_id, needed_by(declarations, "model", model_id))
        if standing(settings, "model", model_id) is None:
            where = declared[model_id].where.file
            raise Conflict(f"Model '{model_id}' is declared in {where}: delete it there.", name=model_id)
        remove(settings, "model", model_id, author)
        return "deleted"
    version = registry.find(model_id)
    if model_id == version.model:
        raise ModelNotFound(f"Model '{model_id}' is declared no more.", available_models=sorted(declared))
    named = [one.name for one in declarations.predictions if one.model_id == version.model_id]
    _require_unneeded(version.model_id, [f"predictions/{name}" for name in named])
    registry.deprecate(version)
    return "deprecated"


def _require_unneeded(model_id: str, used_by: list[str]) -> None:
    if used_by:
        raise Conflict(f"'{model_id}' is needed by {', '.join(used_by)}.", needed_by=used_by)
