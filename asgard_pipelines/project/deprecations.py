"""Deprecated declarations: those who use them go on, and are told; nobody new can build on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeVar

from asgard_pipelines.declarations import (
    Declarations,
    Declared,
    Deprecation,
)
from asgard_pipelines.errors import Conflict, DeclarationNotFound, FeatureViewNotFound, Invalid, did_you_mean
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Made, MadeKind, made, make, unmake

Deprecable = Literal["feature_view", "feature_service", "model"]
D = TypeVar("D", bound=Declared)
TAG = "deprecated"
"""In Feast's Python: its value names what to use instead, or is `true`."""

_MARKS: dict[str, MadeKind] = {
    "feature_view": "deprecated_view",
    "feature_service": "deprecated_service",
    "model": "deprecated_model",
}
_CALLED: dict[Deprecable, str] = {
    "feature_view": "feature view",
    "feature_service": "feature service",
    "model": "model",
}


def with_deprecations(declarations: Declarations, made_over_rest: Sequence[Made]) -> Declarations:
    """The declarations, each with whether it is deprecated: by a tag in the repo, or by somebody since."""
    marks = {(one.kind, one.name): one for one in made_over_rest}

    def marked(kind: Deprecable, one: D) -> D:
        found = _deprecation(one, marks.get((_MARKS[kind], one.name)))
        return one.model_copy(update={"deprecated": found}) if found else one

    return declarations.model_copy(
        update={
            "views": [marked("feature_view", one) for one in declarations.views],
            "on_demand_views": [marked("feature_view", one) for one in declarations.on_demand_views],
            "services": [marked("feature_service", one) for one in declarations.services],
            "models": [
                one.model_copy(update={"model": marked("model", one.model)}) for one in declarations.models
            ],
        }
    )


def _deprecation(one: Declared, mark: Made | None) -> Deprecation | None:
    if mark is not None:
        return Deprecation(since=mark.made_at, by=mark.author, instead=mark.body["instead"])
    told = one.tags.get(TAG)
    if told is None or told == "false":
        return one.deprecated
    return Deprecation(instead=None if told in ("", "true") else told)


def deprecate(
    settings: Settings,
    declarations: Declarations,
    kind: Deprecable,
    name: str,
    author: str,
    *,
    instead: str | None = None,
) -> bool:
    """Deprecates what is declared, in the repo or over REST. False: it was so already.

    Raises:
        FeatureViewNotFound, DeclarationNotFound
        Invalid: `instead` is not there, is deprecated too, or is the same.
    """
    find(declarations, kind, name)
    if instead is not None and (instead == name or find(declarations, kind, instead).deprecated):
        raise Invalid(
            f"'{instead}' cannot be used in the place of '{name}': it is deprecated.", field="instead"
        )
    old = _mark(settings, kind, name)
    body = {"instead": instead}
    if old is not None and old.body == body:
        return False
    make(settings, _MARKS[kind], name, body, body, author, replacing=old.id if old else None)
    return True


def restore(settings: Settings, declarations: Declarations, kind: Deprecable, name: str, author: str) -> bool:
    """Takes a deprecation back. False: there was none.

    Raises:
        FeatureViewNotFound, DeclarationNotFound
        Conflict: the repo says it, not we.
    """
    declared = find(declarations, kind, name)
    old = _mark(settings, kind, name)
    if old is not None:
        unmake(settings, old, author)
    elif declared.deprecated:
        raise Conflict(f"'{name}' is deprecated in {declared.where.file}: change it there.", name=name)
    return old is not None


def forget_deprecation(settings: Settings, kind: MadeKind, name: str, author: str) -> None:
    """What is declared no more is not deprecated: another may have its name one day."""
    mark = _MARKS.get(kind)
    old = next((one for one in made(settings) if (one.kind, one.name) == (mark, name)), None)
    if old is not None:
        unmake(settings, old, author)


def find(declarations: Declarations, kind: Deprecable, name: str) -> Declared:
    """Raises FeatureViewNotFound, DeclarationNotFound."""
    known: dict[str, Declared] = {one.name: one for one in _of(declarations, kind)}
    if name in known:
        return known[name]
    if kind == "feature_view":
        raise FeatureViewNotFound(name, known)
    raise DeclarationNotFound(
        f"No {_CALLED[kind]} '{name}' is declared.{did_you_mean(name, known)}", declared=sorted(known)
    )


def _of(declarations: Declarations, kind: Deprecable) -> Iterator[Declared]:
    if kind == "feature_view":
        yield from declarations.all_views
    elif kind == "feature_service":
        yield from declarations.services
    else:
        yield from (one.model for one in declarations.models)


def _mark(settings: Settings, kind: Deprecable, name: str) -> Made | None:
    return next((one for one in made(settings) if (one.kind, one.name) == (_MARKS[kind], name)), None)
