"""A project of one view for tests: `visits`, online, over `gold.visits`."""

from __future__ import annotations

_REPO = """
from feast import Entity, FeatureView, Field, Project, ValueType
from feast.types import Int64

from asgard_pipelines.features import gold

project = Project(name="shop", description="")
visitor = Entity(name="visitor", join_keys=["visitor_id"], value_type=ValueType.KEY_TYPE)
visits = FeatureView(
    name="visits",
    entities=[visitor],
    schema=[Field(name="pages", dtype=Int64)],
    source=gold("visits", timestamp_field="at"),
    online=True,
)
"""


def visits_repo(key_type: str) -> str:
    """Its `repo.py`. `key_type`: a visitor's, as Feast's `ValueType` calls it."""
    return _REPO.replace("KEY_TYPE", key_type)
