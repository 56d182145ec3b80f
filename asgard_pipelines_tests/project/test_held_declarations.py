"""Declarations are held in memory, and never for longer than they are true."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from asgard_pipelines.declarations import Declarations
from asgard_pipelines.project import held_declarations
from asgard_pipelines.project.held_declarations import HeldDeclarations
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import make


class Reading:
    """Reads the one file of a repo, as compiling does, and counts how often."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.file = settings.repo / "repo.py"
        self.times = 0
        self._held = HeldDeclarations(lambda repo: sorted(repo.iterdir()))

    def get(self) -> str:
        return self._held.get(self.settings, self._read).project

    def _read(self, settings: Settings) -> Declarations:
        self.times += 1
        return Declarations(project=self.file.read_text())


@pytest.fixture
def reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reading:
    monkeypatch.setattr(held_declarations, "_SETTLED_NS", 100_000_000)
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "repo.py").write_text("first")
    monkeypatch.setenv("ASGARD_REPO", str(tmp_path / "repo"))
    monkeypatch.setenv("ASGARD_HOME", str(tmp_path / "home"))
    return Reading(Settings.read())


def settle() -> None:
    time.sleep(0.15)


def test_what_has_not_changed_is_read_once(reading: Reading) -> None:
    settle()
    assert {reading.get() for _ in range(10)} == {"first"}
    assert reading.times == 1


def test_a_change_in_the_same_moment_is_not_missed(reading: Reading) -> None:
    for number in range(50):
        reading.file.write_text(f"{number:05}")
        assert reading.get() == f"{number:05}"


def test_what_changed_a_moment_ago_is_looked_at_again(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system whose clock ticks slowly a second change would not show."""
    with monkeypatch.context() as patient:
        patient.setattr(held_declarations, "_SETTLED_NS", 3600 * 10**9)
        reading.get()
        reading.get()
    assert reading.times == 2
    settle()
    reading.get()
    reading.get()
    assert reading.times == 3


def test_a_rewrite_with_the_same_size_and_time_is_a_change(reading: Reading) -> None:
    settle()
    assert reading.get() == "first"
    before = reading.file.stat()
    reading.file.write_text("other")
    os.utime(reading.file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert reading.file.stat().st_mtime_ns == before.st_mtime_ns
    settle()
    assert reading.get() == "other"


def test_new_and_removed_files_are_changes(reading: Reading) -> None:
    settle()
    reading.get()
    (reading.settings.repo / "more.py").write_text("")
    settle()
    reading.get()
    (reading.settings.repo / "more.py").unlink()
    reading.get()
    assert reading.times == 3


def test_what_is_made_over_rest_is_a_change(reading: Reading) -> None:
    settle()
    reading.get()
    make(reading.settings, "feature_view", "made", {}, {}, "somebody")
    reading.get()
    assert reading.times == 2
