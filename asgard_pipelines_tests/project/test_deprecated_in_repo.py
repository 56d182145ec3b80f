"""A repo says by a tag that something is deprecated, as Feast's users tag things."""

from __future__ import annotations

import pytest

from asgard_pipelines.declarations import Deprecation, fingerprint
from asgard_pipelines.project.deprecations import with_deprecations
from asgard_pipelines.project.uses import deprecated_among
from asgard_pipelines_tests.training.world import DECLARATIONS, VIEW


@pytest.mark.parametrize(
    ("told", "instead"), [("true", None), ("", None), ("account_features_v2", "account_features_v2")]
)
def test_the_tag_deprecated_says_what_to_use_instead(told: str, instead: str | None) -> None:
    tagged = VIEW.model_copy(update={"tags": {"deprecated": told}})
    (found,) = with_deprecations(DECLARATIONS.model_copy(update={"views": [tagged]}), []).views
    assert found.deprecated == Deprecation(instead=instead)
    assert found.shown_tags["asgard/deprecated"] == (instead or "true")
    assert "'account_features' is deprecated" in deprecated_among([found])[0]
    assert fingerprint(found) == fingerprint(tagged)


def test_without_the_tag_nothing_is() -> None:
    tagged = VIEW.model_copy(update={"tags": {"deprecated": "false"}})
    views = with_deprecations(DECLARATIONS.model_copy(update={"views": [VIEW, tagged]}), []).views
    assert [one.deprecated for one in views] == [None, None]
    assert deprecated_among(views) == []
