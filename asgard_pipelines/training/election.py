"""The outcome of an election: which version predicts from now on, and why."""

from __future__ import annotations

from asgard_pipelines.declarations import Record
from asgard_pipelines.models import ModelVersion


class Election(Record):
    """`elected` is the champion after the election, `previous` the one before it."""

    elected: ModelVersion
    previous: ModelVersion | None
    promoted: bool
    """Whether the alias moved."""
    reason: str
    """A sentence for a person, with the numbers."""
    metric: str
    scores: dict[str, float]
    """Version -> `metric` on the pinned test rows; a champion that cannot be judged is missing."""
