"""A running house for tests: `asgard up` with everything it starts, on ports of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil


@dataclass
class House:
    process: psutil.Process
    api: str
    dagster: str
    mlflow: str

    def kill(self, name: str) -> None:
        """SIGKILL to the process of that name among those that `asgard up` started."""
        for child in self.process.children(recursive=True):
            if any(name in part for part in child.cmdline()):
                child.kill()
                return
        raise AssertionError(f"no process {name}")


def send(
    address: str, method: str, path: str, body: Any = None, key: str | None = None
) -> tuple[int, Any] | None:
    """Status and answer of one request; None where the connection broke or was refused."""
    request = urllib.request.Request(
        address + path,
        None if body is None else json.dumps(body).encode(),
        {} if key is None else {"Idempotency-Key": key},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=400) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except (OSError, HTTPException):
        return None


def until(true: Callable[[], bool], seconds: float, story: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, story()
        time.sleep(0.5)


@contextmanager
def served(shop: Any) -> Iterator[House]:
    """`asgard up` for the settings of this process's environment."""
    ports = {f"ASGARD_{name}_PORT": str(_free_port()) for name in ("API", "DAGSTER", "MLFLOW")}
    log = shop.settings.state_folder / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "asgard"), "up"],
            env=os.environ | ports,
            stderr=output,
            stdout=output,
        )
    try:
        until(lambda: "Running until" in log.read_text(), 120, log.read_text)
        yield House(
            psutil.Process(process.pid),
            f"http://127.0.0.1:{ports['ASGARD_API_PORT']}",
            f"http://127.0.0.1:{ports['ASGARD_DAGSTER_PORT']}",
            f"http://127.0.0.1:{ports['ASGARD_MLFLOW_PORT']}",
        )
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextmanager
def api(port: int, log: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """The API alone, as the house starts it, for this process's environment; once it answers; killed at the
    end. `more` goes to uvicorn."""
    command = [sys.executable, "-m", "uvicorn", "--factory", "asgard_pipelines.api.server:application"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port), *more], stdout=output, stderr=output, env=os.environ
        )
    try:
        until(lambda: _answers(port), 60, log.read_text)
        yield process
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=60) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
