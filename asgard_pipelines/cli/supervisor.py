"""Keeps the house's processes running, one by one: a dead one is started again, and one signal stops all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Self

import psutil

from asgard_pipelines.cli.console import diagnostics
from asgard_pipelines.cli.ports import free_port
from asgard_pipelines.cli.running import running
from asgard_pipelines.cli.services import Service, daemon_services, write_workspace
from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.settings import Settings

_HEALTHY_WITHIN_SECONDS = 180
_STEADY_SECONDS = 60
"""A process that lived that long is started again at once when it dies."""
_LONGEST_PAUSE_SECONDS = 30
_GRACE_SECONDS = 5
_LOG_LIMIT_BYTES = 20_000_000


@dataclass
class _Child:
    service: Service
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0
    pause: float = 1
    due: float = 0
    """When it is started (again); `time.monotonic()`."""
    healthy: bool = False
    """It has been, once."""


class Supervisor:
    """Starts, watches and stops `services`. `say` hears what a person should know."""

    def __init__(self, services: list[Service], logs: Path, say: Callable[[str], None]) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._children = [_Child(service, logs / f"{service.name}.log") for service in services]
        self._say = say
        self._stop = False

    def run(self, on_healthy: Callable[[], None]) -> None:
        """Runs until SIGINT or SIGTERM; `on_healthy` is called once, when all are.

        Raises:
            BackendUnavailable: not all became healthy in time; all are stopped.
        """
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._on_signal) for number in signals}
        try:
            with self:
                self.until_healthy()
                if not self._stop:
                    on_healthy()
                while not self._stop:
                    self.tend()
                    time.sleep(0.2)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_all()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop = True

    def until_healthy(self) -> None:
        """Starts what is to be started, and waits.

        Raises:
            BackendUnavailable: not all became healthy in time.
        """
        deadline = time.monotonic() + _HEALTHY_WITHIN_SECONDS
        while not self._stop:
            self.tend()
            waiting = [child for child in self._children if not child.healthy]
            if not waiting:
                return
            if time.monotonic() > deadline:
                raise BackendUnavailable(
                    "\n".join(
                        f"{child.service.name} did not come up within {_HEALTHY_WITHIN_SECONDS} s. "
                        f"{child.log} ends with:\n{_tail(child.log)}"
                        for child in waiting
                    )
                )
            time.sleep(0.3)

    def tend(self) -> None:
        """Starts what is due, and notices what has become healthy or has died."""
        now = time.monotonic()
        healthy = {child.service.name for child in self._children if child.healthy}
        for child in self._children:
            if child.process is None:
                if now >= child.due and child.service.needs in healthy | {None}:
                    child.process, child.started = _start(child.service, child.log), now
                continue
            child.healthy = child.healthy or child.service.is_healthy()
            code = child.process.poll()
            if code is None:
                continue
            _reap(child.process)
            if now - child.started > _STEADY_SECONDS:
                child.pause = 1
            child.process, child.due = None, now + child.pause
            self._say(
                f"{child.service.name} ended ({_ended(code)}); starts again in {child.pause:.0f} s. "
                f"Its log: {child.log}"
            )
            child.pause = min(child.pause * 2, _LONGEST_PAUSE_SECONDS)

    def _stop_all(self) -> None:
        """Asks every process to end its own; then ends what is left of it, and of what it had started."""
        alive = [child.process for child in self._children if child.process is not None]
        leaders = [member for process in alive for member in _itself(process.pid)]
        others = [member for leader in leaders for member in leader.children(recursive=True)]
        _signal(leaders, signal.SIGTERM)
        _, stubborn = psutil.wait_procs(leaders, timeout=_GRACE_SECONDS)
        _signal(stubborn + others, signal.SIGTERM)
        _, stubborn = psutil.wait_procs(stubborn + others, timeout=1)
        _signal(stubborn, signal.SIGKILL)
        psutil.wait_procs(stubborn, timeout=2)
        for process in alive:
            process.wait()


@contextmanager
def daemon(settings: Settings) -> Iterator[Callable[[], bool]]:
    """A daemon for as long as it is needed: the running house's, or one of our own.

    Gives a function that says whether it is there, to be called every second or so: its first call
    starts a daemon of our own.
    """
    from asgard_pipelines.graph import daemon_heartbeat

    if running(settings):
        yield lambda: running(settings) is not None
        return
    port = free_port()
    write_workspace(settings, port)
    crew = daemon_services(settings, port, lambda: daemon_heartbeat(settings))
    with Supervisor(crew, settings.state_folder / "logs", warn) as supervisor:

        def is_there() -> bool:
            supervisor.tend()
            return True

        yield is_there


def warn(text: str) -> None:
    """Tells a person, whatever else is on the screen."""
    diagnostics().print(text, style="yellow", markup=False)


def _start(service: Service, log: Path) -> subprocess.Popen[bytes]:
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as out:
        return subprocess.Popen(
            service.command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=_environment(service.environment),
            start_new_session=True,  # a Ctrl-C in the terminal reaches us, and we stop the others
            preexec_fn=partial(_prepare, service.nice),
        )


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1", **extra}


def _prepare(nice: int) -> None:
    """In the child, before it runs: a shell that starts us in the background ignores SIGINT, and
    Dagster then ignores SIGTERM too; and should we be killed, the child is told to end."""
    os.nice(nice)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1: PR_SET_PDEATHSIG


def _itself(pid: int) -> list[psutil.Process]:
    try:
        return [psutil.Process(pid)]
    except psutil.NoSuchProcess:
        return []


def _reap(process: subprocess.Popen[bytes]) -> None:
    """What a dead process had started must not hold its port: its whole session ends."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _ended(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
