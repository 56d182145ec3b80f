"""Compiled once per content: reading back is quick and imports no vendor."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from asgard_pipelines.errors import InvalidDeclarations, InvalidSettings
from asgard_pipelines.project import load
from asgard_pipelines.settings import Settings

REPO = Path(__file__).parents[2] / "feature_repo"

pytestmark = [
    # Feast's and the frameworks' own; ours still fail the tests.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

READ_BACK = """
import json, sys, time
from asgard_pipelines.settings import Settings
from asgard_pipelines.project import load
start = time.process_time()
project = load(Settings.read()).project
heavy = {m.split(".")[0] for m in sys.modules}
heavy &= {"feast", "sklearn", "mlflow", "pyiceberg", "duckdb", "pyarrow", "pandas", "dagster", "sqlglot"}
print(json.dumps([project, sorted(heavy), time.process_time() - start]))
"""


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "feature_repo"
    shutil.copytree(REPO, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("ASGARD_REPO", str(copy))
    monkeypatch.setenv("ASGARD_HOME", str(tmp_path / "home"))
    return copy


def compiled() -> list[Path]:
    return sorted((Settings.read().state_folder / "compiled").iterdir())


def test_an_unchanged_repo_is_read_back_equal_without_any_vendor_in_a_moment(repo: Path) -> None:
    declared = load(Settings.read())
    assert load(Settings.read()) == declared
    assert len(compiled()) == 1
    done = subprocess.run([sys.executable, "-c", READ_BACK], capture_output=True, text=True, check=True)
    project, heavy, seconds = json.loads(done.stdout)
    assert (project, heavy) == ("asgard_demo", [])
    assert seconds < 0.3


def test_a_changed_file_is_compiled_anew_and_going_back_is_not(repo: Path) -> None:
    first = load(Settings.read())
    file = repo / "models" / "customer_value.yaml"
    text = file.read_text()
    file.write_text(text.replace("test_size: 0.25", "test_size: 0.5"))
    assert load(Settings.read()).model("customer_value").model.test_size == 0.5
    file.write_text(text)
    assert load(Settings.read()) == first
    assert len(compiled()) == 2


def test_state_and_bytecode_in_the_folder_are_no_change(repo: Path) -> None:
    load(Settings.read())
    (repo / ".asgard").mkdir()
    (repo / ".asgard" / "catalog.db").write_text("state")
    (repo / "views" / "__pycache__").mkdir(exist_ok=True)
    (repo / "views" / "__pycache__" / "x.pyc").write_text("code")
    load(Settings.read())
    assert len(compiled()) == 1


def test_old_compilations_are_removed(repo: Path) -> None:
    load(Settings.read())
    (one,) = compiled()
    for number in range(9):
        shutil.copy(one, one.with_name(f"{number}.json"))
    (repo / "notes.md").write_text("anything")
    load(Settings.read())
    assert len(compiled()) == 5


def test_errors_are_never_kept(repo: Path) -> None:
    file = repo / "models" / "customer_value.yaml"
    file.write_text(file.read_text().replace("regression", "regresion"))
    for _ in range(2):
        with pytest.raises(InvalidDeclarations, match=r"customer_value.yaml:\d+ \[model_type\]"):
            load(Settings.read())
    assert not (Settings.read().state_folder / "compiled").exists()


def test_a_folder_that_is_no_repo_is_refused_with_what_makes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASGARD_REPO", str(tmp_path))
    with pytest.raises(InvalidSettings, match="asgard init NAME"):
        load(Settings.read())
