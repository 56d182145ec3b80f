"""One version of one model, as the rest of Asgard reads it."""

from __future__ import annotations

import json
from datetime import datetime

from asgard_pipelines.declarations import Framework, ModelType, Record

CHAMPION = "champion"
PREVIOUS = "previous"
"""The alias of the version that was the champion before."""
VERSION_TAG = "model_version"
KEY_TAG = "asgard.key"
TRAINING_TABLE_TAG = "asgard.training_table"
TRAINING_SNAPSHOT_TAG = "asgard.training_snapshot_id"
SOURCES_TAG = "asgard.sources"
ROOTS_TAG = "asgard.roots"
CONTENT_HASH_TAG = "asgard.content_hash"
SHA256_TAG = "asgard.sha256"
DEPRECATED_TAG = "asgard.deprecated_at"
READ_FROM_TAGS = ("training_table", "training_snapshot_id", "sources", "roots", "content_hash", "sha256")
"""Properties of a version that its tags must give."""


class ModelVersion(Record):
    """A registered version. `aliases` are those it had when it was read."""

    model: str
    version: str
    """`YYYYmmdd_HHMMSS` (UTC), unique within the model: the `model_version` everywhere."""
    number: int
    """MLflow's own version number."""
    candidate: str
    framework: Framework
    model_type: ModelType
    aliases: list[str]
    metrics: dict[str, float]
    """`train_*` and `test_*`."""
    tags: dict[str, str]
    created_at: datetime
    run_id: str
    """MLflow's run, in which it was trained."""
    training_seconds: float | None = None
    """From the beginning of the training to its end."""

    @property
    def model_id(self) -> str:
        return f"{self.model}_{self.version}"

    @property
    def deprecated(self) -> bool:
        """Whether it is to be used no more; its bytes and its record stay."""
        return DEPRECATED_TAG in self.tags

    @property
    def training_table(self) -> str:
        """`schema.table` of the training set."""
        return self.tags[TRAINING_TABLE_TAG]

    @property
    def training_snapshot_id(self) -> int:
        return int(self.tags[TRAINING_SNAPSHOT_TAG])

    @property
    def sources(self) -> dict[str, int]:
        """Table -> snapshot id that the training set was computed from."""
        return _snapshots(self.tags[SOURCES_TAG])

    @property
    def roots(self) -> dict[str, int]:
        """External table -> snapshot id that all of it goes back to."""
        return _snapshots(self.tags[ROOTS_TAG])

    @property
    def content_hash(self) -> str:
        """Of the training set's rows."""
        return self.tags[CONTENT_HASH_TAG]

    @property
    def sha256(self) -> dict[str, str]:
        """File of the artefact -> SHA-256 (hex) of its bytes as registered."""
        digests: dict[str, str] = json.loads(self.tags[SHA256_TAG])
        return digests


def _snapshots(text: str) -> dict[str, int]:
    return {str(table): int(snapshot) for table, snapshot in json.loads(text).items()}
