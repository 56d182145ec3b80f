"""The online stores, each running for real: what binds a store binds all that stand in `KINDS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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
    with dynamodb_local(folder) as port, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "local")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "local")
        endpoint = f"http://127.0.0.1:{port}"
        feast = {"type": "dynamodb", "region": "eu-north-1", "endpoint_url": endpoint}
        yield Kind(f"dynamodb://eu-north-1?endpoint={endpoint}", feast)


KINDS: dict[str, Callable[[Path], AbstractContextManager[Kind]]] = {
    "sqlite": _sqlite,
    "redis": _redis,
    "dynamodb": _dynamodb,
}


def kinds(*embedded: pytest.MarkDecorator) -> list[Any]:
    """The names, as a fixture's parameters: `make test-stack` runs those that need a server; `embedded` marks
    the one that needs none."""
    return [pytest.param(name, marks=embedded if name == "sqlite" else pytest.mark.stack) for name in KINDS]
