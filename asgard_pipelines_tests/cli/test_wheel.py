"""The wheel works without the checkout: it carries the demo's data and declarations, and the templates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, as it is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        "uv",
        "build",
        "--quiet",
        "--wheel",
        "--no-build-isolation",
        "--out-dir",
        str(folder),
        str(PROJECT),
    ]
    subprocess.run([Path(sys.executable).parent / command[0], *command[1:]], check=True, timeout=60)
    [wheel] = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def _asgard(unpacked: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASGARD_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "asgard_pipelines.cli", *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_it_carries_what_the_demo_and_init_need(unpacked: Path) -> None:
    package = unpacked / "asgard_pipelines"
    written = package / "cli" / "demo" / "feature_repo"
    for path in (PROJECT / "feature_repo").rglob("*"):
        if path.suffix in (".py", ".sql", ".yaml") and ".asgard" not in path.parts:
            assert (written / path.relative_to(PROJECT / "feature_repo")).read_bytes() == path.read_bytes()
    for name in ("production_runs", "purchases"):
        assert (package / "cli" / "demo" / "data" / f"{name}.parquet").is_file()
    assert (package / "py.typed").is_file()
    assert not list(unpacked.rglob("*.pyc"))
    assert not list(unpacked.rglob(".asgard"))


def test_the_command_runs_from_it_in_an_empty_folder(unpacked: Path, tmp_path: Path) -> None:
    done = _asgard(unpacked, tmp_path, "config", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["repo"] == str(tmp_path / "feature_repo")
    done = _asgard(unpacked, tmp_path, "init", "mine")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine" / "gold").is_dir()


def test_the_demo_writes_its_declarations_first(unpacked: Path, tmp_path: Path) -> None:
    code = """
from asgard_pipelines.cli.demo.repo import bundled_repo, ensure_repo
from asgard_pipelines.settings import Settings
assert ensure_repo(Settings.read())
print(bundled_repo())
"""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASGARD_")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(unpacked / "asgard_pipelines" / "cli" / "demo" / "feature_repo")
    assert (tmp_path / "feature_repo" / "feature_store.yaml").is_file()
