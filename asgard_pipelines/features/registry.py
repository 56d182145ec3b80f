"""Feast's registry: opened, and brought to what the repo declares, without the seconds of its command."""

from __future__ import annotations

import warnings

from feast import FeatureStore
from feast.diff.property_diff import TransitionType
from feast.feature_view import DUMMY_ENTITY_NAME
from feast.repo_contents import RepoContents
from feast.repo_operations import extract_objects_for_apply_delete

from asgard_pipelines.features.feast_repo import feast_config, feast_contents
from asgard_pipelines.settings import Settings

_SIGNS = {TransitionType.CREATE: "+", TransitionType.UPDATE: "~", TransitionType.DELETE: "-"}


def store(settings: Settings) -> FeatureStore:
    """Feast's store of the repo.

    Raises:
        InvalidSettings: there is no `feature_store.yaml`.
    """
    return FeatureStore(config=feast_config(settings))


def apply(settings: Settings) -> list[str]:
    """Does what `feast apply` does, in this process.

    Returns:
        What changed, sorted: `+ feature view customer_orders` is new, `~ …` changed, `- …` gone; empty when
        the registry was as declared.

    Raises:
        InvalidDeclarations: the repo's Python fails.
    """
    contents = feast_contents(settings)
    opened = store(settings)
    with warnings.catch_warnings():
        # Said at each plan and each apply of a repo with an on-demand view, of Feast's own offline join.
        warnings.filterwarnings("ignore", "On demand feature view is an experimental feature", RuntimeWarning)
        return _applied(opened, contents)


def _applied(opened: FeatureStore, contents: RepoContents) -> list[str]:
    planned, _, _ = opened.plan(contents)
    changed, gone, _, _ = extract_objects_for_apply_delete(opened.project, opened.registry, contents)
    opened.apply(changed, objects_to_delete=gone, partial=False)
    return sorted(
        f"{_SIGNS[diff.transition_type]} {diff.feast_object_type.value} {diff.name}"
        for diff in planned.feast_object_diffs
        if diff.transition_type in _SIGNS and diff.name != DUMMY_ENTITY_NAME
    )
