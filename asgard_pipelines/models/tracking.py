"""Opening MLflow at an explicit address, without its chatter, one writer at a time."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.store.entities.paged_list import PagedList

from asgard_pipelines.settings import Settings

Found = TypeVar("Found")
_PAGE = 1000


@contextmanager
def exclusive(settings: Settings) -> Iterator[None]:
    """One writer of the registry at a time on this machine.

    MLflow has no constraint that would keep a tag unique, so what looks for a key or a free
    version and then writes must not be interleaved.
    """
    settings.state_folder.mkdir(parents=True, exist_ok=True)
    with (settings.state_folder / "models.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def open_client(settings: Settings) -> MlflowClient:
    """A client of `settings.tracking_uri`; an empty database is set up first.

    Two processes that set one database up at once would fail. Whoever imported MLflow first (Feast
    does) settled its log level, so it is set again.
    """
    uri = settings.tracking_uri
    logging.getLogger("mlflow").setLevel(os.environ["MLFLOW_LOGGING_LEVEL"])
    with exclusive(settings):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_registered_models(max_results=1)
    return client


def every(search: Callable[[int, str | None], PagedList[Found]]) -> list[Found]:
    """All that a search finds; it is called with a page's size and token."""
    found: list[Found] = []
    token: str | None = None
    while True:
        page = search(_PAGE, token)
        found.extend(page)
        token = page.token
        if not token:
            return found
