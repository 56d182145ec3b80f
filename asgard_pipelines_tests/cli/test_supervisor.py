"""The supervisor keeps real processes: starts them again, and leaves none behind."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from asgard_pipelines.cli import supervisor as room
from asgard_pipelines.cli.services import Service
from asgard_pipelines.cli.supervisor import Supervisor
from asgard_pipelines.errors import BackendUnavailable

_SUPERVISED = """
import signal, sys, time
from pathlib import Path
from asgard_pipelines.cli.services import Service
from asgard_pipelines.cli.supervisor import Supervisor
folder = Path(sys.argv[1])
script = '''
import signal, subprocess, sys, time, pathlib
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
pathlib.Path(sys.argv[1]).write_text(f"{child.pid} {ignored}")
time.sleep(60)
'''
told = folder / "told"
command = [sys.executable, "-c", script, str(told)]
service = Service("worker", command, lambda: told.exists() and told.read_text() != "")
Supervisor([service], folder / "logs", print).run(lambda: print("healthy", flush=True))
print("stopped", flush=True)
"""


def _until(holds: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.05)


def _sleeper(name: str = "sleeper", **more: object) -> Service:
    return Service(name, [sys.executable, "-c", "import time; time.sleep(60)"], lambda: True, **more)  # type: ignore[arg-type]


def _processes(supervisor: Supervisor) -> dict[str, int]:
    return {c.service.name: c.process.pid for c in supervisor._children if c.process is not None}


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that supervises one worker, which has a child; started with SIGINT ignored, as a shell
    does for what it starts in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    command = [sys.executable, "-c", _SUPERVISED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        signal.signal(signal.SIGINT, before)
        assert process.stdout is not None
        assert process.stdout.readline() == "healthy\n"
        family = psutil.Process(process.pid).children(recursive=True)
        yield process
        process.kill()
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_all_and_leaves_no_orphan(
    supervised: subprocess.Popen[str], number: signal.Signals
) -> None:
    family = psutil.Process(supervised.pid).children(recursive=True)
    assert len(family) == 2
    supervised.send_signal(number)
    assert supervised.communicate(timeout=10) == ("stopped\n", None)
    assert supervised.returncode == 0
    assert not any(member.is_running() for member in family)


def test_children_get_default_signals_though_ours_are_ignored(tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = "import signal, sys; open(sys.argv[1], 'w').write(str(signal.getsignal(signal.SIGINT)))"
    service = Service("child", [sys.executable, "-c", script, str(told)], lambda: told.exists())
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Supervisor([service], tmp_path, print) as supervisor:
            supervisor.until_healthy()
            _until(lambda: told.read_text() != "")
    finally:
        signal.signal(signal.SIGINT, before)
    assert "default_int_handler" in told.read_text()


def test_a_killed_supervisor_takes_its_children_along(supervised: subprocess.Popen[str]) -> None:
    [child] = psutil.Process(supervised.pid).children()
    supervised.kill()
    _until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_dead_process_is_reported_and_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    with Supervisor([_sleeper(), _sleeper("other")], tmp_path, said.append) as supervisor:
        supervisor.until_healthy()
        before = _processes(supervisor)
        psutil.Process(before["sleeper"]).kill()
        _until(
            lambda: (
                supervisor.tend() or _processes(supervisor).get("sleeper") not in (None, before["sleeper"])
            )
        )
        assert _processes(supervisor)["other"] == before["other"]
    assert len(said) == 1
    assert "sleeper ended (killed by SIGKILL); starts again in 1 s" in said[0]


def test_one_that_dies_again_and_again_waits_longer_each_time(tmp_path: Path) -> None:
    said: list[str] = []
    failing = Service("failing", [sys.executable, "-c", "raise SystemExit(3)"], lambda: False)
    with Supervisor([failing], tmp_path, said.append) as supervisor:
        _until(lambda: supervisor.tend() or len(said) == 3)
    assert [text.split("starts again in ")[1].split(" s.")[0] for text in said] == ["1", "2", "4"]
    assert "exit code 3" in said[0]


def test_what_needs_another_waits_until_that_is_healthy(tmp_path: Path) -> None:
    ready: list[bool] = []
    first = Service("first", _sleeper().command, lambda: bool(ready))
    with Supervisor([_sleeper("second", needs="first"), first], tmp_path, print) as supervisor:
        supervisor.tend()
        assert set(_processes(supervisor)) == {"first"}
        ready.append(True)
        supervisor.until_healthy()
        assert set(_processes(supervisor)) == {"first", "second"}


def test_one_that_never_comes_up_is_told_with_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_HEALTHY_WITHIN_SECONDS", 2)
    mute = Service(
        "mute",
        [sys.executable, "-c", "import time; print('no database', flush=True); time.sleep(60)"],
        lambda: False,
    )
    with (
        pytest.raises(BackendUnavailable, match="no database"),
        Supervisor([mute], tmp_path, print) as supervisor,
    ):
        supervisor.until_healthy()
    assert not any(psutil.pid_exists(pid) for pid in _processes(supervisor).values())
