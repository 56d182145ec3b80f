"""Feast's SQLite online store, with its file where the settings say."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from feast.infra.infra_object import InfraObject
from feast.infra.online_stores.sqlite import SqliteOnlineStore, SqliteOnlineStoreConfig
from feast.repo_config import RepoConfig
from pydantic import Field

from asgard_pipelines.settings import Settings

# Said by `feast plan` and `feast apply` of every repo with an on-demand view, about Feast's own offline join;
# Asgard's computes them here. Of Asgard, this module is the one that Feast's command loads.
warnings.filterwarnings("ignore", "On demand feature view is an experimental feature", RuntimeWarning)


def _path() -> str:
    path = Path(Settings.read().online_store_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return str(path)


# Feast finds the config as the store's name + "Config", and insists on names that end in "SqliteOnlineStore".
class EmbeddedSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):
    # The stock config takes its own two names only.
    type: str = f"{__name__}.EmbeddedSqliteOnlineStore"  # type: ignore[assignment]
    path: str = Field(default_factory=_path)


class EmbeddedSqliteOnlineStore(SqliteOnlineStore):
    def plan(self, config: RepoConfig, desired_registry_proto: Any) -> list[InfraObject]:
        """No infrastructure: its tables come with `apply`.

        What the stock store plans is recorded in the registry with the file's absolute path, and only when
        its type is spelt `sqlite`; here `feast plan` would list the same tables as new for ever.
        """
        return []
