"""Groups: the boxes in which the graph is drawn."""

from __future__ import annotations

import re

from asgard_pipelines.declarations import Declared


def group_of(declared: Declared, stage: str) -> str:
    """The declaration's tag `domain`, so that one river of data stands in one box; without the tag,
    the stage of the river it belongs to."""
    return re.sub(r"\W", "_", declared.tags.get("domain") or stage)  # Dagster takes no '-' and no '.' here
