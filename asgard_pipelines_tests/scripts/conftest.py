"""A sandbox to try scripts in, and all that they must not reach: canaries on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest

from asgard_pipelines.models import JobRequests, JobTracking
from asgard_pipelines.scripts import inside
from asgard_pipelines.scripts.isolation import require_isolation, user_of
from asgard_pipelines.scripts.limits import Limits
from asgard_pipelines.scripts.output import Output
from asgard_pipelines.scripts.sandbox import GIVEN, INSIDE, Sandbox
from asgard_pipelines.scripts.supervision import Ended, run_in
from asgard_pipelines.scripts.tracking_socket import tracking_socket
from asgard_pipelines.settings import Settings

SMALL = Limits(
    seconds=4, cpu_seconds=3, memory=300_000_000, disk=20_000_000, processes=40, open_files=256, files=2_000
)


@dataclass(frozen=True)
class Ran:
    ended: Ended
    text: str
    seconds: float


@dataclass
class Machine:
    """What is here to be attacked. `visitors` are those who got through to a socket of this machine."""

    folder: Path
    secret: Path
    warehouse: Path
    port: int
    abstract: str
    victim: subprocess.Popen[bytes]
    visitors: list[str] = field(default_factory=list)

    def names(self) -> dict[str, str]:
        """What a hostile script is told, as if it had guessed."""
        return {
            "SECRET": str(self.secret),
            "WAREHOUSE": str(self.warehouse),
            "PORT": str(self.port),
            "ABSTRACT": self.abstract,
            "VICTIM": str(self.victim.pid),
            "ME": str(os.getpid()),
            "SOCKET": str(self.folder / "host.sock"),
        }


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    warehouse = folder / "warehouse"
    warehouse.mkdir()
    (warehouse / "rows.parquet").write_bytes(b"rows")
    (folder / "secret").write_text("the host's secret")
    abstract = f"asgard-host-{os.getpid()}"
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        named, hidden = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        named.bind(str(folder / "host.sock"))
        os.chmod(folder / "host.sock", 0o777)
        hidden.bind(f"\0{abstract}")
        victim = subprocess.Popen(["sleep", "900"], **_as_the_scripts_user())
        found = Machine(folder, folder / "secret", warehouse, tcp.getsockname()[1], abstract, victim)
        for name, listener in (("tcp", tcp), ("named", named), ("abstract", hidden)):
            listener.listen()
            Thread(target=_count, args=[listener, name, found.visitors], daemon=True).start()
        yield found
        victim.kill()
        victim.wait()


def _as_the_scripts_user() -> dict[str, Any]:
    """A process that a script could end, if it could see it."""
    user = user_of(Settings())
    return {"user": user, "group": user, "extra_groups": [], "cwd": "/"} if os.geteuid() == 0 else {}


def _count(listener: socket.socket, name: str, visitors: list[str]) -> None:
    while True:
        try:
            listener.accept()[0].close()
        except OSError:  # closed: the tests are over
            return
        visitors.append(name)


@dataclass
class Bench:
    """Runs one script after the other, and holds that nothing of any is left."""

    settings: Settings
    machine: Machine
    folder: Path

    def run(self, source: str, *, tracking: JobTracking | None = None, **limits: Any) -> Ran:
        given = self.folder / "given"
        repo = given / "files" / "feast_repo"
        repo.mkdir(parents=True)
        (repo / "registry.db").write_bytes(b"the registry")
        for name, value in self.machine.names().items():
            source = source.replace(f"${name}$", value)
        (given / "train.py").write_text(source)
        (given / INSIDE).write_text(Path(inside.__file__).read_text())
        for path in (given, *given.rglob("*")):
            os.chmod(path, 0o755 if path.is_dir() else 0o644)
        sandbox = Sandbox(
            given, [self.machine.warehouse], {}, replace(SMALL, **limits), user_of(self.settings)
        )
        before, output, began = (
            _sandboxed(sandbox.user, self.machine),
            Output(50_000, 5_000),
            time.monotonic(),
        )
        with ExitStack() as stack:
            if tracking is not None:
                stack.enter_context(
                    tracking_socket(given / "mlflow.sock", JobRequests(tracking).answer, 5_000_000)
                )
            ended = run_in(sandbox, sandbox.command(GIVEN / "train.py"), output)
        assert _sandboxed(sandbox.user, self.machine) == before, "a process has outlived its script"
        assert (repo / "registry.db").read_bytes() == b"the registry"
        return Ran(ended, output.text(), time.monotonic() - began)


def _sandboxed(user: int, machine: Machine) -> set[int]:
    """Every process that is a sandbox, or of the user that scripts have."""
    found = set()
    for process in psutil.process_iter(["name", "uids", "status"]):
        mine = os.geteuid() == 0 and process.info["uids"] and process.info["uids"].real == user
        alive = process.info["status"] != psutil.STATUS_ZOMBIE
        if alive and (process.info["name"] == "bwrap" or mine) and process.pid != machine.victim.pid:
            found.add(process.pid)
    return found


@pytest.fixture
def bench(settings: Settings, machine: Machine, tmp_path: Path) -> Bench:
    require_isolation(settings)
    folder = tmp_path / "bench"
    folder.mkdir()
    return Bench(settings, machine, folder)


@pytest.fixture
def job_tracking(tracked: Settings, tmp_path: Path) -> Callable[[str], JobTracking]:
    """MLflow as a job with some experiment may use it."""

    def made(experiment: str) -> JobTracking:
        uploads = tmp_path / f"uploads-{experiment}"
        uploads.mkdir()
        return JobTracking(tracked, experiment, f"job_{experiment}", uploads, 10_000_000, lambda _: None)

    return made
