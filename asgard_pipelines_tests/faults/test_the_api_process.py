"""The API as one of the house's processes: detached, killed, started again, stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from asgard_pipelines.cli.ports import free_port
from asgard_pipelines.project import init
from asgard_pipelines_tests.serving import until

pytestmark = pytest.mark.timeout(400)
Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def asgard(tmp_path: Path) -> Iterator[Ask]:
    """Runs the command on an empty project of the test's own."""
    init(tmp_path / "shop", empty=True)
    ports = {f"ASGARD_{name}_PORT": str(free_port()) for name in ("API", "DAGSTER", "MLFLOW")}
    environment = {**os.environ, **ports, "ASGARD_REPO": str(tmp_path / "shop")}

    def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "asgard_pipelines.cli", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
        )

    yield ask
    ask("down")


def _get(address: str) -> tuple[int, Any]:
    with urllib.request.urlopen(address, timeout=60) as response:
        return response.status, json.load(response)


def test_the_house_is_left_running_survives_a_crash_of_its_api_and_is_stopped(
    asgard: Ask, tmp_path: Path
) -> None:
    started = asgard("up", "--detach", "--json")
    assert started.returncode == 0, started.stderr
    house = json.loads(started.stdout)
    assert _get(f"{house['api']}/feast/status")[1]["num_feature_views"] == 0
    again = asgard("up", "--detach")
    assert again.returncode == 2
    assert house["api"] in again.stderr
    family = psutil.Process(house["pid"]).children(recursive=True)
    api = next(one for one in family if "uvicorn" in one.cmdline())
    api.kill()
    log = tmp_path / "shop" / ".asgard" / "logs" / "up.log"
    until(lambda: "api ended (killed by SIGKILL); starts again" in log.read_text(), 20, log.read_text)

    def answers() -> bool:
        try:
            return _get(f"{house['api']}/health/live")[0] == 200
        except OSError:
            return False

    until(answers, 60)
    requests = (log.parent / "api.log").read_text().splitlines()
    assert all(json.loads(line)["logger"] for line in requests)
    down = asgard("down", "--json")
    assert json.loads(down.stdout) == {"stopped": house["pid"]}
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family)
    assert asgard("down").returncode == 2
