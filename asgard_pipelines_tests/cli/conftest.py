"""Fixtures of the command's tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asgard_pipelines.cli.command import run
from asgard_pipelines.declarations import Declarations, GoldTable

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def asgard(settings: object, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process, on a home of the test's own: its code, stdout and stderr."""

    def ask(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return ask


@pytest.fixture
def asgard_json(asgard: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, Any]]:
    """As `asgard`, with `--json`: its code and the one document on stdout."""

    def ask(*arguments: str) -> tuple[int, Any]:
        code, out, _ = asgard(*arguments, "--json")
        return code, json.loads(out)

    return ask


@pytest.fixture
def shell(settings: Any) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command as a process of its own, in a folder of choice."""

    def ask(*arguments: str, cwd: Path = PROJECT, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "asgard_pipelines.cli", *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return ask


@pytest.fixture
def shop() -> Declarations:
    """One external table, watched by month, and one that Asgard builds from it."""
    sales = GoldTable.model_validate(
        {
            "name": "sales",
            "external": True,
            "entity": "customer",
            "timestamp": "sold_at",
            "columns": {"customer": "string", "sold_at": "timestamp", "pieces": "int32", "amount": "float64"},
            "partition": "monthly",
            "start": "2024-02",
            "watermark": {"column": "sold_at", "landed_by": "month"},
            "where": {"file": "gold/sales.yaml"},
        }
    )
    totals = GoldTable.model_validate(
        {
            "name": "totals",
            "sql": "SELECT customer, sum(amount) AS total FROM gold.sales GROUP BY customer",
            "reads": ["gold.sales"],
            "where": {"file": "gold/totals.sql"},
        }
    )
    return Declarations(project="shop", gold=[sales, totals])
