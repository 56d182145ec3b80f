"""Whether scripts can be isolated on this machine: tried, not guessed. Where they cannot, none is run."""

from __future__ import annotations

import os
import sys
import time
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from asgard_pipelines.errors import IsolationUnavailable
from asgard_pipelines.scripts.launch import is_root, missing_tools
from asgard_pipelines.scripts.limits import Limits
from asgard_pipelines.scripts.output import Output
from asgard_pipelines.scripts.sandbox import GIVEN, Sandbox
from asgard_pipelines.scripts.supervision import run_in
from asgard_pipelines.scripts.system_calls import filter_is_known
from asgard_pipelines.settings import Settings

_PACKAGES = {"bwrap": "bubblewrap"}
_PROBE_LIMITS = Limits(seconds=20, cpu_seconds=20, memory=500_000_000, disk=10_000_000, processes=64)
_KEPT_SECONDS = 60
_PROBE = """
import os, socket, sys
problems = []
for family in (socket.AF_INET, getattr(socket, "AF_VSOCK", 40)):
    try:
        with socket.socket(family, socket.SOCK_STREAM) as one:
            one.settimeout(1)
            one.connect(("192.0.2.1", 9) if family == socket.AF_INET else (2, 9))
        problems.append(f"it can connect out (family {family})")
    except OSError as error:
        if isinstance(error, TimeoutError):
            problems.append(f"it has a network (family {family})")
for place in ("/", "/dev", "/usr/lib", sys.prefix):
    try:
        open(os.path.join(place, "asgard-probe"), "w").close()
        problems.append(f"it can write to {place}")
    except OSError:
        pass
if os.getuid() == 0:
    problems.append("it is root")
if not os.path.isdir("/proc/1") or len([one for one in os.listdir("/proc") if one.isdigit()]) > 5:
    problems.append("it sees other processes")
print("PROBLEMS:" + "; ".join(problems))
"""


def user_of(settings: Settings) -> int:
    """The uid of the script's processes."""
    return settings.scripts_user if is_root() else os.geteuid()


def require_isolation(settings: Settings) -> None:
    """
    Raises:
        IsolationUnavailable: why scripts cannot be isolated here, and what would help.
    """
    if reason := _obstacle(user_of(settings), int(time.monotonic() / _KEPT_SECONDS)):
        raise IsolationUnavailable(f"Scripts cannot be isolated here, and so none is run: {reason}")


@lru_cache(maxsize=4)
def _obstacle(user: int, _minute: int) -> str | None:
    if sys.platform != "linux":
        return f"bubblewrap is for Linux, and this is {sys.platform}."
    if not filter_is_known():
        return f"the calls of this processor ({os.uname().machine}) are not known: x86_64 and aarch64 are."
    if missing := missing_tools():
        packages = " ".join(sorted({_PACKAGES.get(tool, "util-linux") for tool in missing}))
        return f"{', '.join(missing)} is not installed. On Debian: apt-get install -y {packages}"
    return _tried(user)


def _tried(user: int) -> str | None:
    """A harmless script is run, and says what it can do that it should not."""
    with TemporaryDirectory(prefix="asgard-probe-") as folder:
        given = Path(folder) / "given"
        given.mkdir()
        (given / "probe.py").write_text(_PROBE)
        sandbox = Sandbox(given, [], {}, _PROBE_LIMITS, user)
        output = Output()
        try:
            ended = run_in(sandbox, [sys.executable, "-I", "-S", str(GIVEN / "probe.py")], output)
        except OSError as error:
            return f"it could not be started: {error.strerror}."
    told = output.text().strip()
    if ended.code != 0 or "PROBLEMS:" not in told:
        why = ended.reason or told[-300:] or f"exit code {ended.code}"
        return (
            f"a trial run failed: {why}. bubblewrap needs user namespaces: inside a container, allow them, "
            "or run Asgard on the machine itself."
        )
    if problems := told.partition("PROBLEMS:")[2]:
        return f"in a trial run {problems}."
    return None
