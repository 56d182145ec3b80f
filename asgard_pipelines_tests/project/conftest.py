"""A copy of the demo's declarations, to be changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2] / "feature_repo"


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "feature_repo"
    shutil.copytree(REPO, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("ASGARD_REPO", str(copy))
    monkeypatch.setenv("ASGARD_HOME", str(tmp_path / "home"))
    return copy
