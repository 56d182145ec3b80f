"""Changing declarations in a test, and reading what is wrong with them then."""

from __future__ import annotations

from pathlib import Path

import pytest

from asgard_pipelines.errors import InvalidDeclarations, Problem
from asgard_pipelines.project import compile_repo
from asgard_pipelines.settings import Settings


def change(path: Path, old: str, new: str) -> int:
    """The line in which `new` stands now."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def problems() -> list[Problem]:
    with pytest.raises(InvalidDeclarations) as caught:
        compile_repo(Settings.read())
    return caught.value.problems
