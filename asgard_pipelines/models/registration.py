"""What a training hands over to be registered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from asgard_pipelines.declarations import Framework, ModelType
from asgard_pipelines.models import version as tags
from asgard_pipelines.state import StoredFile

MODEL_FOLDER = "model"
PICTURE_FOLDER = "pictures"


@dataclass(frozen=True)
class Registration:
    """Everything that becomes one MLflow run and one model version.

    `key` is the registration's identity: the same key again gives the same version.
    """

    model: str
    key: str
    candidate: str
    framework: Framework
    model_type: ModelType
    files: Mapping[str, bytes]
    """The artefact: file name (no folders) -> bytes. Their SHA-256 are recorded with the version."""
    training_table: str
    training_snapshot_id: int
    sources: Mapping[str, int]
    roots: Mapping[str, int]
    content_hash: str
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    """`train_*` and `test_*`; finite numbers."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """The model's inputs in order: name -> `numeric`, `bool`, `string` or `timestamp`; for MLflow's pages."""
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """Name without suffix -> PNG."""
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    started: datetime | None = None
    """When the training began."""

    @property
    def stored(self) -> dict[str, StoredFile]:
        """Path within the run's store -> what is stored there."""
        return {
            **{f"{MODEL_FOLDER}/{name}": StoredFile.of(data) for name, data in self.files.items()},
            **{f"{PICTURE_FOLDER}/{name}.png": StoredFile.of(data) for name, data in self.pictures.items()},
        }

    def version_tags(self, version: str) -> dict[str, str]:
        """The tags of MLflow's version, which make it an Asgard version."""
        return {
            **self.tags,
            tags.VERSION_TAG: version,
            "candidate": self.candidate,
            "framework": self.framework,
            "model_type": self.model_type,
            tags.KEY_TAG: self.key,
            tags.TRAINING_TABLE_TAG: self.training_table,
            tags.TRAINING_SNAPSHOT_TAG: str(self.training_snapshot_id),
            tags.SOURCES_TAG: json.dumps(dict(self.sources), sort_keys=True),
            tags.ROOTS_TAG: json.dumps(dict(self.roots), sort_keys=True),
            tags.CONTENT_HASH_TAG: self.content_hash,
            tags.SHA256_TAG: digests(self.stored),
        }


def digests(stored: Mapping[str, StoredFile]) -> str:
    """File of the artefact -> SHA-256, as the version's tag in MLflow shows them."""
    prefix = f"{MODEL_FOLDER}/"
    artefact = {path.removeprefix(prefix): file for path, file in stored.items() if path.startswith(prefix)}
    return json.dumps({name: file.sha256 for name, file in sorted(artefact.items())})
