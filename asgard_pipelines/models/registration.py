"""What a training hands over to be registered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from asgard_pipelines.declarations import Framework, ModelType
from asgard_pipelines.models import version as tags


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
            tags.SHA256_TAG: json.dumps(
                {name: sha256(data).hexdigest() for name, data in sorted(self.files.items())}
            ),
        }
