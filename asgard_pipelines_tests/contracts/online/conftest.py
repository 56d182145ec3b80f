"""The stores that the contract binds: one that is added to `KINDS` has to keep all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from asgard_pipelines.features.online import OnlineStore, online_store
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.stack.servers import dynamodb_local, redis_server


@dataclass(frozen=True)
class Kind:
    """`url` is what `ASGARD_ONLINE_STORE` gets, `feast` the same place for Feast's own store."""

    url: str
    feast: dict[str, Any]


@contextmanager
def _sqlite(folder: Path) -> Iterator[Kind]:
    path = folder / "online.db"
    yield Kind(f"sqlite:///{path}", {"type": "sqlite", "path": str(path)})


@contextmanager
def _redis(folder: Path) -> Iterator[Kind]:
    with redis_server(folder) as port:
        yield Kind(
            f"redis://127.0.0.1:{port}/1", {"type": "redis", "connection_string": f"127.0.0.1:{port},db=1"}
        )


@contextmanager
def _dynamodb(folder: Path) -> Iterator[Kind]:
    with dynamodb_local(folder) as port:
        endpoint = f"http://127.0.0.1:{port}"
        feast = {"type": "dynamodb", "region": "eu-north-1", "endpoint_url": endpoint}
        yield Kind(f"dynamodb://eu-north-1?endpoint={endpoint}", feast)


KINDS: dict[str, Callable[[Path], Any]] = {"sqlite": _sqlite, "redis": _redis, "dynamodb": _dynamodb}
_NUMBERS = count()


@pytest.fixture(
    scope="session",
    params=[name if name == "sqlite" else pytest.param(name, marks=pytest.mark.stack) for name in KINDS],
)
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kind]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "local")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "local")
        with KINDS[request.param](tmp_path_factory.mktemp(request.param)) as made:
            yield made


@pytest.fixture
def settings(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ASGARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASGARD_ONLINE_STORE", kind.url)
    return Settings.read()


@pytest.fixture
def project() -> str:
    """Each test has a project of its own in the store that they share."""
    return f"shop{next(_NUMBERS)}"


@pytest.fixture
def store(settings: Settings, project: str) -> OnlineStore:
    return online_store(settings, project)
