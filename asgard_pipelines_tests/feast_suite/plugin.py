"""A pytest plugin under which Feast's own tests run from a copy of its repository.

Loaded with `-p`, before the copy is on the path:

- it imports the installed Feast, so that the copy lends its tests and nothing else;
- it stands in for packages that only start containers: the modules of the suite import them. Whatever
  would use one fails, and says so;
- it leaves out the modules whose packages are not installed, and names them at the end.
"""

from __future__ import annotations

import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import feast  # noqa: F401

CONTAINERS = ("minio", "testcontainers", "keycloak")
NEEDS = {"test_dqm_validation.py": "great_expectations"}

# Without the first, Feast's configuration of the suite imports BigQuery's and Redshift's clients.
os.environ.setdefault("FEAST_IS_LOCAL_TEST", "True")
os.environ.setdefault("IS_TEST", "True")


class _StandIns(Loader, MetaPathFinder):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] in CONTAINERS else None

    def exec_module(self, module: ModuleType) -> None:
        def stand_in(name: str) -> type:
            if name.startswith("__"):
                raise AttributeError(name)

            def refuse(self: Any, *args: Any, **kwargs: Any) -> None:
                raise RuntimeError(f"{module.__name__}.{name} starts a container, and there are none here")

            return type(name, (), {"__init__": refuse})

        module.__getattr__ = stand_in  # type: ignore[method-assign]


sys.meta_path.append(_StandIns())  # last, so that what is installed comes first


def pytest_addoption(parser: Any) -> None:
    parser.addini("env", "pytest-env's, in Feast's own set-up", type="linelist")
    parser.addini("asyncio_mode", "pytest-asyncio's, in Feast's own set-up")


def _left_out(file: str) -> bool:
    return file in NEEDS and find_spec(NEEDS[file]) is None


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return True if _left_out(collection_path.name) else None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for file in filter(_left_out, NEEDS):
        terminalreporter.write_line(f"left out: {file} (needs {NEEDS[file]})")
