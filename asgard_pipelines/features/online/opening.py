"""Which online store there is: by the address in the settings."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

from asgard_pipelines.errors import InvalidSettings
from asgard_pipelines.features.online.store import OnlineStore
from asgard_pipelines.settings import Settings

_FORMS = "sqlite:///PATH, redis://HOST:PORT/DB, rediss://HOST:PORT/DB, dynamodb://REGION?endpoint=URL"
_opened: dict[tuple[Any, ...], OnlineStore] = {}
_opening = Lock()


def online_store(settings: Settings, project: str | None = None) -> OnlineStore:
    """The store of the settings (`ASGARD_ONLINE_STORE`), one in this process; nothing is connected to yet.

    Args:
        project: Feast's project name, as in `Declarations.project`; read from `feature_store.yaml` when None.

    Raises:
        InvalidSettings: an address of no known form; there is no `feature_store.yaml`.
    """
    named = project or _project(settings)
    key = (settings.online_store_url, named, os.getpid())  # a connection does not outlive a fork
    with _opening:
        if key not in _opened:
            _opened[key] = _store(settings.online_store_url, named)
        return _opened[key]


def leave_loop() -> None:
    """Of all stores: what the running event loop alone uses is given back, before it ends."""
    for store in list(_opened.values()):
        store.leave_loop()


def _store(url: str, project: str) -> OnlineStore:
    parts = urlsplit(url)
    if parts.scheme == "sqlite" and not parts.netloc and len(parts.path) > 1:
        from asgard_pipelines.features.online.sqlite import SqliteStore

        return SqliteStore(project, Path(unquote(parts.path[1:])))
    if parts.scheme in ("redis", "rediss") and parts.hostname:
        from asgard_pipelines.features.online.redis import RedisStore

        return RedisStore(project, url)
    if parts.scheme == "dynamodb" and parts.netloc:
        from asgard_pipelines.features.online.dynamodb import DynamoDbStore

        endpoint = parse_qs(parts.query).get("endpoint", [None])[0]
        return DynamoDbStore(project, parts.netloc, endpoint)
    raise InvalidSettings(
        f"ASGARD_ONLINE_STORE is no address of an online store. These are: {_FORMS}.",
        setting="ASGARD_ONLINE_STORE",
    )


def _project(settings: Settings) -> str:
    """As Feast reads it, without Feast's import of several seconds."""
    path = settings.repo / "feature_store.yaml"
    if not path.is_file():
        raise InvalidSettings(
            f"ASGARD_REPO={str(settings.repo)!r} holds no {path.name}. `asgard init NAME` makes a repo.",
            setting="ASGARD_REPO",
        )
    return str(yaml.safe_load(os.path.expandvars(path.read_text()))["project"])
