"""`prefix:feature`, as people ask for features, as the features that are declared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from asgard_pipelines.declarations import (
    Declarations,
    FeatureRef,
    FeatureService,
    FeatureView,
    OnDemandView,
)
from asgard_pipelines.errors import ColumnNotFound, FeatureViewNotFound, Invalid, did_you_mean

AnyView = FeatureView | OnDemandView
ALIAS = "alias"
"""The tag by which a view has a second name."""


@dataclass(frozen=True)
class AskedFeature:
    """`asked` is `prefix:feature` as it was sent, `name` what it is called in the answer."""

    asked: str
    ref: FeatureRef
    name: str


def asked_features(
    declarations: Declarations, features: Sequence[str] | None, service: str | None, full_names: bool
) -> list[AskedFeature]:
    """The features that are asked for, in order: those named; without any, all of the service.

    A prefix is a view's name, else its tag `alias`, else `<prefix>_features` (of a singular or plural
    prefix), else an entity of which one view has that feature. With `full_names` a feature is called
    `prefix__feature`, with the prefix that was asked.

    Raises:
        FeatureViewNotFound, ColumnNotFound
        DeclarationNotFound: there is no such service.
        Invalid: nothing is asked, a prefix may mean several views (which are named), a feature is not the
            service's, or two would have one name.
    """
    if not features and service is None:
        raise Invalid("Name a `feature_service`, or `features` as `view:feature`.", field="features")
    declared = declarations.service(service) if service is not None else None
    found = (
        [_resolved(declarations, one, declared) for one in features]
        if features
        else _of_service(declarations, declared)
    )
    asked = [
        AskedFeature(written, ref, written.replace(":", "__") if full_names else ref.feature)
        for written, ref in found
    ]
    _need_one_each(asked, full_names)
    return asked


def _need_one_each(asked: Sequence[AskedFeature], full_names: bool) -> None:
    called: dict[str, str] = {}
    for one in asked:
        if one.name in called:
            same = called[one.name] == one.asked
            help_ = "" if same or full_names else ": ask with `full_feature_names`"
            raise Invalid(
                f"'{one.asked}' is asked twice."
                if same
                else f"'{called[one.name]}' and '{one.asked}' would both be called '{one.name}'{help_}.",
                features=[called[one.name], one.asked],
            )
        called[one.name] = one.asked


def _of_service(declarations: Declarations, service: FeatureService | None) -> list[tuple[str, FeatureRef]]:
    views = {view.name: view for view in declarations.all_views}
    return [
        (f"{part.view}:{name}", _ref(views[part.view], name))
        for part in (service.views if service else [])
        for name in part.features
    ]


def _resolved(
    declarations: Declarations, asked: str, service: FeatureService | None
) -> tuple[str, FeatureRef]:
    prefix, colon, feature = asked.partition(":")
    if not (prefix and colon and feature) or ":" in feature:
        raise Invalid(
            f"'{asked[:200]}' is no feature: write `view:feature`.", field="features", feature=asked[:200]
        )
    held = {(part.view, name) for part in service.views for name in part.features} if service else None
    ref = _ref(_view(declarations, prefix, feature, held), feature)
    if held is not None and (ref.view, ref.feature) not in held:
        known = sorted(f"{view}:{name}" for view, name in held)
        raise Invalid(
            f"'{asked}' ({ref.view}:{ref.feature}) is none of the service "
            f"'{service.name if service else ''}'."
            f"{did_you_mean(f'{ref.view}:{feature}', known)}",
            field="features",
            feature=asked,
            service_features=known,
        )
    return asked, ref


def _view(
    declarations: Declarations, prefix: str, feature: str, held: set[tuple[str, str]] | None
) -> AnyView:
    """Raises FeatureViewNotFound, ColumnNotFound, Invalid."""
    named: list[AnyView] = []
    for meant in _readings(declarations, prefix):
        having = [view for view in meant if feature in _names(view)]
        if len(having) > 1 and held is not None:  # of several, the one that the service takes
            having = [view for view in having if (view.name, feature) in held] or having
        if len(having) > 1:
            candidates = sorted(f"{view.name}:{feature}" for view in having)
            raise Invalid(
                f"'{prefix}:{feature}' may mean {' or '.join(candidates)}: name the view.",
                field="features",
                feature=f"{prefix}:{feature}",
                candidates=candidates,
            )
        if having:
            return having[0]
        named += meant
    if not named:
        raise FeatureViewNotFound(prefix, [view.name for view in declarations.all_views])
    present = list(dict.fromkeys(name for view in named for name in _names(view)))
    raise ColumnNotFound(feature, present, table=", ".join(dict.fromkeys(view.name for view in named)))


def _readings(declarations: Declarations, prefix: str) -> Iterator[list[AnyView]]:
    """What a prefix may mean, the likeliest first; a view's own name means that view and nothing else."""
    views = {view.name: view for view in declarations.all_views}
    if prefix in views:
        yield [views[prefix]]
        return
    yield [view for view in views.values() if view.tags.get(ALIAS) == prefix]
    yield [views[name] for name in (f"{one}_features" for one in _numbers(prefix)) if name in views]
    entities = {entity.name for entity in declarations.entities if prefix in (entity.name, entity.join_key)}
    yield [view for view in declarations.views if entities & set(view.entities)]


def _numbers(prefix: str) -> list[str]:
    """The prefix, and the same in the singular or the plural."""
    if prefix.endswith("ies"):
        return [prefix, f"{prefix[:-3]}y"]
    if prefix.endswith("s"):
        return [prefix, prefix[:-1]]
    return [prefix, f"{prefix}s", *([f"{prefix[:-1]}ies"] if prefix.endswith("y") else [])]


def _names(view: AnyView) -> list[str]:
    return [feature.name for feature in view.features]


def _ref(view: AnyView, name: str) -> FeatureRef:
    for feature in view.features:
        if feature.name == name:
            return FeatureRef(view=view.name, feature=name, dtype=feature.dtype)
    raise ColumnNotFound(name, _names(view), table=view.name)
