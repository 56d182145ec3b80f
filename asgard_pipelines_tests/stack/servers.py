"""Servers of the production profile for tests: on 127.0.0.1, a free port and a temporary folder, ended by
their id."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

STACK = Path(__file__).parents[2] / ".stack"


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


@contextmanager
def redis_server(folder: Path, *options: str, port: int | None = None) -> Iterator[int]:
    """Its port. Nothing is written to disk, unless the options say so."""
    program = shutil.which("redis-server")
    assert program, "These tests need Redis. On Debian: apt-get update && apt-get install -y redis-server"
    port = port or free_port()
    command = [
        program,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        *options,
    ]
    with _running([*command, "--dir", str(folder)], folder / "redis.log", lambda: _listens(port)):
        yield port


@contextmanager
def dynamodb_local(folder: Path) -> Iterator[int]:
    """Its port. It holds all in memory."""
    jars = STACK / "dynamodb"
    assert jars.is_dir(), "make test-stack fetches DynamoDB Local; it was not fetched"
    port = free_port()
    command = ["java", f"-Djava.library.path={jars}", "-cp", f"{jars}/*"]
    command += ["com.amazonaws.services.dynamodbv2.local.main.ServerRunner", "-inMemory", "-port", str(port)]
    with _running(command, folder / "dynamodb.log", lambda: _listens(port)):
        yield port


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def _end_with_the_tests() -> None:
    """Of a run that is killed, too, nothing is left."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


@contextmanager
def _running(command: Sequence[str], log: Path, answers: Callable[[], bool]) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=out,
            cwd=log.parent,
            start_new_session=True,
            preexec_fn=_end_with_the_tests,
        )
    try:
        deadline = time.monotonic() + 60
        while not answers():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
        process.wait(30)
