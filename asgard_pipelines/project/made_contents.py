"""What was declared over REST, put beside what the repo declares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from asgard_pipelines.declarations import Declared, Entity, FeatureService, FeatureView
from asgard_pipelines.errors import Problem
from asgard_pipelines.features import RepoContents
from asgard_pipelines.project.documents import Document
from asgard_pipelines.state import Made, MadeKind

D = TypeVar("D", bound=Declared)

PLACES: dict[MadeKind, str] = {
    "entity": "POST /feast/features",
    "feature_view": "POST /feast/features",
    "feature_service": "POST /feast/features/service",
    "model": "POST /feast/models",
    "prediction": "POST /feast/predictions/batch",
}
"""Where such a declaration stands, in the place of a file."""


def with_made(contents: RepoContents, made: Sequence[Made], problems: list[Problem]) -> RepoContents:
    """The repo's contents and what was made; one name on both sides is a problem of the repo's."""
    views = _of(made, "feature_view", FeatureView)
    services = _of(made, "feature_service", FeatureService)
    together = replace(
        contents,
        entities=_beside(contents.entities, _of(made, "entity", Entity), problems),
        views=_beside(contents.views, views, problems, also=contents.on_demand_views),
        services=_beside(contents.services, services, problems),
    )
    problems += [*_without_entity(views, together), *_without_view(services, together)]
    return together


def _without_entity(views: Sequence[FeatureView], contents: RepoContents) -> Iterator[Problem]:
    known = {entity.name for entity in contents.entities}
    for view in views:
        for name in view.entities:
            if name not in known:
                text = f"feature view '{view.name}' needs the entity '{name}'"
                yield Problem(view.where.file, view.where.line, "entities", text)


def _without_view(services: Sequence[FeatureService], contents: RepoContents) -> Iterator[Problem]:
    known = {view.name: set(view.feature_names) for view in contents.views}
    known |= {view.name: {one.name for one in view.features} for view in contents.on_demand_views}
    for service in services:
        for part in service.views:
            missing = [part.view] if part.view not in known else sorted(set(part.features) - known[part.view])
            for name in missing:
                text = f"feature service '{service.name}' needs '{name}'"
                yield Problem(service.where.file, service.where.line, "feature_views", text)


def made_documents(made: Iterable[Made], kind: MadeKind) -> list[Document]:
    return [Document(PLACES[kind], one.body, {}) for one in made if one.kind == kind]


def _of(made: Iterable[Made], kind: MadeKind, record: type[D]) -> list[D]:
    return [record.model_validate(one.body) for one in made if one.kind == kind]


def _beside(
    declared: Sequence[D], made: Sequence[D], problems: list[Problem], also: Iterable[Declared] = ()
) -> list[D]:
    standing = {one.name for one in made}
    others: list[Declared] = [*declared, *also]
    for one in others:
        if one.name in standing:
            text = f"'{one.name}' was declared over REST too: rename this one, or delete the other"
            problems.append(Problem(one.where.file, one.where.line, "name", text))
    return sorted([*declared, *made], key=lambda declaration: declaration.name)
