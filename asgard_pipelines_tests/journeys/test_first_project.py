"""A newcomer's first project: every command of docs/first_project.md, in a shell, as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "first_project.md"


def _run(script: str, folder: Path, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASGARD_", "MLFLOW_"))}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**kept, "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_of_the_first_project_do_what_the_page_says(tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    _run("\n".join(blocks), tmp_path)

    state = json.loads(_run("asgard status --json", tmp_path, ASGARD_REPO="parcels"))
    assert {"gold.courier_load", "gold.load_predictions"} <= {table["name"] for table in state["tables"]}
    versions = [version for version in state["models"] if version["name"] == "late_by_load"]
    assert {version["framework"] for version in versions} == {"sklearn", "lightgbm"}
    [champion] = [version["version"] for version in versions if "champion" in version["aliases"]]
    [published] = [p for p in state["predictions"] if p["name"] == "load_predictions"]
    assert (published["model_version"], published["rows"]) == (champion, 1500)
    assert all(check["passed"] for check in state["checks"])

    again = json.loads(_run("asgard build --json", tmp_path, ASGARD_REPO="parcels"))
    assert again == {"succeeded": True, "runs": [], "waiting": []}
    assert [path.name for path in tmp_path.iterdir()] == ["parcels"]
