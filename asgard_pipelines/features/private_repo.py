"""A copy of the registry in one file, and a `feature_store.yaml` to it: for a program that may spoil both."""

from __future__ import annotations

from pathlib import Path

import yaml

from asgard_pipelines.features.feast_repo import feast_config
from asgard_pipelines.features.registry import store
from asgard_pipelines.features.sources import house_source
from asgard_pipelines.settings import Settings

_REGISTRY = "registry.db"


def write_private_repo(settings: Settings, folder: Path, at: str) -> list[str]:
    """Writes both files into `folder`, for a program that will see them at `at`.

    Returns:
        The tables of the house's catalog that the registered views read, as `schema.table`.

    Raises:
        InvalidSettings, InvalidDeclarations: there is no usable `feature_store.yaml`.
    """
    opened = store(settings)
    (folder / _REGISTRY).write_bytes(opened.registry.proto().SerializeToString())
    config = {
        "project": opened.project,
        "provider": "local",
        "registry": {"registry_type": "file", "path": f"{at}/{_REGISTRY}"},
        "offline_store": {"type": "asgard_pipelines.features.offline_store.IcebergOfflineStore"},
        "online_store": {"type": "sqlite", "path": f"{at}/online_store.db"},
        "entity_key_serialization_version": feast_config(settings).entity_key_serialization_version,
    }
    (folder / "feature_store.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    found = (house_source(source) for source in opened.list_data_sources())
    return sorted({source.qualified for source in found if source is not None})
