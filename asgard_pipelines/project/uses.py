"""Who uses what: what needs a declaration, and what is deprecated among the things that one uses."""

from __future__ import annotations

from collections.abc import Iterable

from asgard_pipelines.declarations import Declarations, Declared, FeatureService, Model
from asgard_pipelines.errors import Conflict
from asgard_pipelines.project.checks import VERSION
from asgard_pipelines.project.deprecations import Deprecable


def needed_by(declarations: Declarations, kind: Deprecable, name: str) -> list[str]:
    """What is declared and uses it: asset keys, and `services/NAME`."""
    if kind == "model":
        return [
            f"predictions/{one.name}"
            for one in declarations.predictions
            if VERSION.sub("", one.model_name) == name
        ]
    if kind == "feature_service":
        return [
            f"models/{one.model.name}" for one in declarations.models if one.model.feature_service == name
        ]
    return [
        *(f"features/{one.name}" for one in declarations.on_demand_views if name in one.sources),
        *(f"services/{one.name}" for one in declarations.services if name in _views(one)),
        *(
            f"models/{one.model.name}"
            for one in declarations.models
            if name in (*one.views, *one.on_demand_views)
        ),
        *(f"predictions/{one.name}" for one in declarations.predictions if name in one.feature_views),
    ]


def used_by_model(declarations: Declarations, name: str) -> list[Declared]:
    """The model and the views it learns from; nothing of a model that is declared no more."""
    for one in declarations.models:
        if one.model.name == name:
            return [one.model, *named_views(declarations, (*one.views, *one.on_demand_views))]
    return []


def used_by_service(declarations: Declarations, service: FeatureService) -> list[Declared]:
    return [service, *named_views(declarations, _views(service))]


def refuse_deprecated(used: Iterable[Declared], what: str) -> None:
    """Raises Conflict: `what` is new, and would use something that is deprecated."""
    found = deprecated_among(used)
    if found:
        raise Conflict(f"{' '.join(found)} {what} is new: build it on something else.", deprecated=found)


def deprecated_among(used: Iterable[Declared]) -> list[str]:
    """A sentence on each that is deprecated."""
    told = []
    for one in used:
        if one.deprecated:
            kind = {Model: "Model", FeatureService: "Feature service"}.get(type(one), "Feature view")
            instead = f": use '{one.deprecated.instead}'" if one.deprecated.instead else ""
            told.append(f"{kind} '{one.name}' is deprecated{instead}.")
    return told


def _views(service: FeatureService) -> list[str]:
    return [part.view for part in service.views]


def named_views(declarations: Declarations, names: Iterable[str]) -> list[Declared]:
    """Stored and on-demand ones."""
    wanted = set(names)
    return [one for one in declarations.all_views if one.name in wanted]
