"""`asgard down`, and what `asgard up` refuses before it starts anything."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from asgard_pipelines.cli.running import Running
from asgard_pipelines.settings import Settings

Asgard = Callable[..., tuple[int, str, str]]


def test_where_nothing_runs_there_is_nothing_to_stop(asgard: Asgard) -> None:
    code, out, err = asgard("down")
    assert (code, out) == (2, "")
    assert "Nothing runs here" in err


def test_what_runs_is_stopped_and_what_took_its_number_is_not(
    settings: Settings, asgard_json: Callable[..., tuple[int, Any]]
) -> None:
    settings.state_folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        started = psutil.Process(process.pid).create_time()
        house = Running(
            pid=process.pid, started=started, api="a", dagster="d", mlflow="m", code_server_port=1
        )
        path = Running.path(settings)
        path.write_text(house.model_copy(update={"started": started - 100}).model_dump_json())
        assert asgard_json("down")[0] == 2
        assert process.poll() is None
        path.write_text(house.model_dump_json())
        assert asgard_json("down") == (0, {"stopped": process.pid})
        process.wait(10)
    assert not psutil.pid_exists(process.pid)


@pytest.mark.parametrize("command", ["up", "demo"])
def test_an_open_server_without_tokens_is_refused_before_any_work(
    settings: Settings, asgard: Asgard, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("ASGARD_API_HOST", "0.0.0.0")
    code, out, err = asgard(command)
    assert (code, out) == (2, "")
    assert "ASGARD_AUTH=on" in err
    assert not settings.state_folder.exists()
